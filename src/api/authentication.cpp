#include "api/authentication.h"

#include <strings.h>

#include "api/token.h"

namespace cvf::api {

std::optional<std::string_view> bearer_token(std::string_view authorization) {
    constexpr std::string_view scheme = "Bearer ";
    if (authorization.size() <= scheme.size() || ::strncasecmp(authorization.data(), scheme.data(), scheme.size()) != 0)
        return std::nullopt;
    authorization.remove_prefix(scheme.size());
    while (authorization.starts_with(' ')) authorization.remove_prefix(1);
    while (authorization.ends_with(' ')) authorization.remove_suffix(1);
    return authorization.empty() ? std::nullopt : std::optional(authorization);
}

std::optional<controller::Identity> Authentication::identify(std::string_view authorization, std::string_view client_name) const {
    const auto roles = roles_ ? roles_->current() : nullptr;
    if (!authorization.empty()) {
        const auto token = bearer_token(authorization);
        if (!token) return std::nullopt;
        if (same_token(*token, local_token_)) return controller::Identity{"local", controller::Role::plaintext_operator};
        return roles ? roles->by_token(*token) : std::nullopt;
    }
    return roles ? roles->by_certificate(client_name) : std::nullopt;
}

}  // namespace cvf::api
