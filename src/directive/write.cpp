#include "directive/write.h"

#include "directive/keys.h"

namespace cvf::directive {

Node to_tree(const Directive& directive, Defaults defaults) {
    return write_group(document_group, &directive, every_variant, defaults == Defaults::shown);
}

std::string canonical(const Directive& directive) {
    return write_json(to_tree(directive, Defaults::left_out), true);
}

std::string canonical_spec(const Directive& directive) {
    return write_json(write_group(spec_group, &directive.spec, 1u << static_cast<unsigned>(directive.kind), false), true);
}

std::string to_yaml(const Directive& directive, Defaults defaults) {
    return write_yaml(to_tree(directive, defaults));
}

std::string to_json(const Directive& directive, Defaults defaults) {
    return write_pretty_json(to_tree(directive, defaults));
}

std::string to_yaml(const std::vector<Directive>& directives, Defaults defaults) {
    std::string out;
    for (const Directive& d : directives) {
        if (!out.empty()) out += "---\n";
        out += to_yaml(d, defaults);
    }
    return out;
}

}  // namespace cvf::directive
