// What CVF says of directives, for judges that are not ours: one JSON line for each document of each file.
//
//   directive_judge FILE...               {"file", "document", "tree", "problems": [paths], "shown": as `get -o json` has it}
//   directive_judge schema|reference      what is generated
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "directive/parse.h"
#include "directive/schema.h"
#include "directive/write.h"

int main(int argc, char** argv) {
    using namespace cvf::directive;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "schema" || name == "reference") {
            std::fputs((name == "schema" ? json_schema() : reference_page()).c_str(), stdout);
            continue;
        }
        std::ifstream file(name, std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        const Trees trees = name.ends_with(".json") ? read_json(text) : read_yaml(text);
        if (!file || !trees) {
            std::fprintf(stderr, "%s\n", trees ? "cannot be read" : trees.error().show(name).c_str());
            return 1;
        }
        for (size_t d = 0; d < trees->size(); ++d) {
            Node line = Node::map(), problems = Node::list();
            line.add("file", Node::text(name));
            line.add("document", Node::number(d));
            line.add("tree", (*trees)[d]);
            const auto directive = from_tree((*trees)[d], {}, d);
            if (!directive)
                for (const Problem& p : directive.error()) problems.children.push_back(Node::text(p.show(name)));
            line.add("problems", std::move(problems));
            if (directive) {
                line.add("canonical", to_tree(*directive, Defaults::left_out));
                line.add("shown", to_tree(*directive, Defaults::shown));
            }
            std::printf("%s\n", write_json(line, false).c_str());
        }
    }
}
