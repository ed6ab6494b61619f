// Who asks: a bearer token, or the common name of a verified client certificate, and the role that goes with it.
//
// The local token (api/token.h) is "local", a plaintext-operator; others stand in the roles file (controller/roles.h). A token
// that is wrong is wrong, whatever certificate came with it. Thread rule: any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/roles.h"

namespace cvf::api {

// The credentials of "Authorization: Bearer …" (RFC 6750); nothing when it is something else or empty.
std::optional<std::string_view> bearer_token(std::string_view authorization);

class Authentication {
 public:
    Authentication(std::string local_token, std::unique_ptr<controller::RolesFile> roles)
        : local_token_(std::move(local_token)), roles_(std::move(roles)) {}

    std::optional<controller::Identity> identify(std::string_view authorization, std::string_view client_name) const;
    uint64_t failed_reloads() const { return roles_ ? roles_->failed_reloads() : 0; }

 private:
    const std::string local_token_;
    const std::unique_ptr<controller::RolesFile> roles_;  // may be null
};

}  // namespace cvf::api
