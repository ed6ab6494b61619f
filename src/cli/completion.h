// Completion of the command line: what may stand where something is being typed. The scripts for bash, zsh and fish
// (run_completion) ask the program itself, so that they know what it knows.
//
// Pure; single-threaded.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cvf::cli {

struct Completion {
    std::string word;
    std::string help;  // one line; may be empty
};

// `words`: all behind the program's name; the last is being typed and may be empty. Nothing where a file or any text belongs.
std::vector<Completion> completions(const CLI::App& app, std::span<const std::string> words);

}  // namespace cvf::cli
