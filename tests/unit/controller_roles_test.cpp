#include "controller/roles.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace cvf::controller {
namespace {

using namespace std::chrono_literals;

TEST(Roles, know_a_new_token_by_its_line_and_no_other) {
    const auto made = new_token("ci", "operator"), other = new_token("ci2", "viewer");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->token.size(), 64u);
    EXPECT_EQ(made->line.find(made->token), std::string::npos) << "the file does not hold the token itself";
    const auto roles = Roles::parse("# who may what\n\n" + made->line + "   # for the pipeline\r\n" + other->line +
                                    "\nalice plaintext-operator cert\n");
    ASSERT_TRUE(roles) << roles.error();
    EXPECT_EQ(roles->size(), 3u);
    const auto who = roles->by_token(made->token);
    ASSERT_TRUE(who);
    EXPECT_EQ(who->name, "ci");
    EXPECT_EQ(who->role, Role::operator_);
    EXPECT_EQ(roles->by_token(other->token)->role, Role::viewer);
    std::string near = made->token;
    near.back() = near.back() == '0' ? '1' : '0';
    EXPECT_FALSE(roles->by_token(near));
    EXPECT_FALSE(roles->by_token(""));
    EXPECT_FALSE(roles->by_token(made->line.substr(made->line.rfind(':') + 1))) << "the hash is no token";
    EXPECT_FALSE(roles->by_token(std::string(100'000, 'a')));
    EXPECT_EQ(roles->by_certificate("alice")->role, Role::plaintext_operator);
    EXPECT_FALSE(roles->by_certificate("ci")) << "a token's name opens nothing to a certificate";
    EXPECT_FALSE(roles->by_certificate(""));
}

TEST(Roles, of_the_same_token_are_hashed_with_another_salt_each_time) {
    const auto a = new_token("a", "viewer"), b = new_token("a", "viewer");
    EXPECT_NE(a->token, b->token);
    EXPECT_NE(a->line, b->line);
}

TEST(Roles, in_a_file_with_a_mistake_are_refused_with_its_line) {
    const std::string good = new_token("a", "viewer")->line;
    for (const std::string& bad :
         {std::string("a viewer"), std::string("a"), std::string("a boss cert"), std::string("a viewer cert more"),
          std::string("a viewer sha256:00:00"), std::string("a viewer md5:00"), good.substr(0, good.size() - 1), good + "0",
          std::string("a\"b viewer cert"), std::string("a operator cert")}) {
        const auto roles = Roles::parse(good + "\n" + bad + "\n");
        ASSERT_FALSE(roles) << bad;
        EXPECT_TRUE(roles.error().starts_with("line 2: ")) << roles.error();
    }
    std::string many;
    for (size_t i = 0; i <= Roles::max_entries; ++i) many += "n" + std::to_string(i) + " viewer cert\n";
    EXPECT_FALSE(Roles::parse(many));
    EXPECT_FALSE(Roles::parse(std::string(2 << 20, '\n')));
    EXPECT_TRUE(Roles::parse(""));
}

TEST(Roles, have_names_and_roles_that_are_checked_when_a_token_is_made) {
    EXPECT_FALSE(new_token("", "viewer"));
    EXPECT_FALSE(new_token("a b", "viewer"));
    EXPECT_FALSE(new_token("a\nroot plaintext-operator cert", "viewer"));
    EXPECT_NE(new_token("a", "admin").error().find("plaintext-operator"), std::string::npos);
}

TEST(RolesFile, is_read_again_when_it_changes_and_stays_in_force_when_it_breaks) {
    const std::string path = testing::TempDir() + "cvf-roles-" + std::to_string(::getpid());
    EXPECT_FALSE(RolesFile::open(path + "-none"));
    std::ofstream(path) << "alice viewer cert\n";
    std::string said;
    const auto file = RolesFile::open(path, [&](const std::string& text) { said = text; }, 0ms);
    ASSERT_TRUE(file) << file.error();
    EXPECT_EQ((*file)->current()->by_certificate("alice")->role, Role::viewer);
    std::ofstream(path) << "alice operator cert\n# longer\n";
    EXPECT_EQ((*file)->current()->by_certificate("alice")->role, Role::operator_);
    std::ofstream(path) << "alice\n";
    EXPECT_EQ((*file)->current()->by_certificate("alice")->role, Role::operator_);
    EXPECT_NE(said.find(path + ": line 1"), std::string::npos) << said;
    EXPECT_EQ((*file)->failed_reloads(), 1u);
    (void)(*file)->current();
    EXPECT_EQ((*file)->failed_reloads(), 1u) << "told once";
    ::unlink(path.c_str());
    EXPECT_TRUE((*file)->current()->by_certificate("alice"));
}

}  // namespace
}  // namespace cvf::controller
