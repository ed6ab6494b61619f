// `cvf token`: who may ask the API.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/say.h"
#include "controller/roles.h"

namespace cvf::cli {

int run_token(const std::string& name, const std::string& role) {
    auto made = controller::new_token(name, role);
    if (!made) {
        say("cvf token: {}\n", made.error());
        return exit_wrong_use;
    }
    say("{}\n", made->line);
    fmt::print("{}\n", made->token);
    return exit_done;
}

}  // namespace cvf::cli
