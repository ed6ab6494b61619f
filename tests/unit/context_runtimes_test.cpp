#include "context/runtimes.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "context_fake_proc.h"

namespace cvf::context {
namespace {

const std::string id(64, 'd');

// Answers one request on a unix socket with what it is given, and keeps the request.
class OneAnswer {
 public:
    OneAnswer(const std::string& path, std::string answer) : answer_(std::move(answer)) {
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 4) != 0)
            ADD_FAILURE() << path;
        thread_ = std::thread([this] {
            const int peer = ::accept(listener_, nullptr, nullptr);
            if (peer < 0) return;
            char buffer[4096];
            while (request.find("\r\n\r\n") == std::string::npos) {
                const ssize_t n = ::read(peer, buffer, sizeof buffer);
                if (n <= 0) break;
                request.append(buffer, static_cast<size_t>(n));
            }
            if (::send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0) ADD_FAILURE();
            ::close(peer);
        });
    }
    ~OneAnswer() { finish(); }
    void finish() {
        if (!thread_.joinable()) return;
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    std::string request;

 private:
    std::string answer_;
    int listener_ = -1;
    std::thread thread_;
};

std::string http_ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}

TEST(Runtimes, AskDockerOverItsSocket) {
    const test::Folder root;
    std::filesystem::create_directories(root.path() + "/run");
    OneAnswer docker(root.path() + "/run/docker.sock",
                     http_ok(R"({"Name":"/web","Config":{"Image":"nginx:1","Labels":{"a":"b"}}})"));
    const auto found = ask_runtimes(RuntimePaths{}.below(root.path()), id, Runtime::docker);
    docker.finish();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, "web");
    EXPECT_EQ(found->runtime, Runtime::docker);
    EXPECT_TRUE(docker.request.starts_with("GET /containers/" + id + "/json HTTP/1.1\r\n")) << docker.request;
}

TEST(Runtimes, ReadDockersFilesWhereItsSocketIsNotThere) {
    const test::Folder root;
    root.write("var/lib/docker/containers/" + id + "/config.v2.json", R"({"Name":"/web","Config":{"Image":"nginx"}})");
    const auto found = ask_runtimes(RuntimePaths{}.below(root.path()), id, Runtime::docker);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, "web");
}

TEST(Runtimes, FindTheBundleInAnyNamespaceOfContainerd) {
    const test::Folder root;
    std::filesystem::create_directories(root.path() + "/run/containerd/io.containerd.runtime.v2.task/default");
    root.write("run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id + "/config.json",
               R"({"annotations":{"io.kubernetes.cri.sandbox-name":"pod","io.kubernetes.cri.container-name":"web"}})");
    for (const Runtime runtime : {Runtime::unknown, Runtime::containerd}) {
        const auto found = ask_runtimes(RuntimePaths{}.below(root.path()), id, runtime);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->pod_name, "pod");
        EXPECT_EQ(found->runtime, Runtime::containerd);
    }
}

TEST(Runtimes, JoinTheBundleAndTheIndexOfPodmanAndItsApi) {
    const test::Folder root;
    root.write("var/lib/containers/storage/overlay-containers/" + id + "/userdata/config.json",
               R"({"annotations":{"io.container.manager":"libpod"}})");
    root.write("var/lib/containers/storage/overlay-containers/containers.json",
               R"([{"id":")" + id + R"(","names":["web"],"metadata":"{\"image-name\":\"localhost/app:3\"}"}])");
    std::filesystem::create_directories(root.path() + "/run/podman");
    OneAnswer podman(root.path() + "/run/podman/podman.sock", http_ok(R"({"Name":"/web","Config":{"Labels":{"team":"shop"}}})"));
    const auto found = ask_runtimes(RuntimePaths{}.below(root.path()), id, Runtime::podman);
    podman.finish();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, "web");
    EXPECT_EQ(found->image, "localhost/app");
    EXPECT_EQ(found->runtime, Runtime::podman);
    ASSERT_EQ(found->labels.size(), 1u);
    EXPECT_EQ(found->labels[0].second, "shop");
}

TEST(Runtimes, FindTheBundleOfCriO) {
    const test::Folder root;
    root.write("run/containers/storage/overlay-containers/" + id + "/userdata/config.json",
               R"({"annotations":{"io.container.manager":"cri-o","io.kubernetes.pod.name":"web-1"}})");
    const auto found = ask_runtimes(RuntimePaths{}.below(root.path()), id, Runtime::unknown);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->pod_name, "web-1");
    EXPECT_EQ(found->runtime, Runtime::crio);
}

TEST(Runtimes, AreNotLedAstrayByLinksPipesAndForeignIds) {
    const test::Folder root;
    const RuntimePaths paths = RuntimePaths{}.below(root.path());
    root.write("secret.json", R"({"Name":"/secret"})");
    const std::string folder = root.path() + "/var/lib/docker/containers/" + id;
    std::filesystem::create_directories(folder);
    std::filesystem::create_symlink(root.path() + "/secret.json", folder + "/config.v2.json");
    EXPECT_FALSE(ask_runtimes(paths, id, Runtime::docker));
    std::filesystem::remove(folder + "/config.v2.json");
    ASSERT_EQ(::mkfifo((folder + "/config.v2.json").c_str(), 0600), 0);
    EXPECT_FALSE(ask_runtimes(paths, id, Runtime::docker));  // returns at all
    EXPECT_FALSE(ask_runtimes(paths, "../../secret", Runtime::unknown));
}

}  // namespace
}  // namespace cvf::context
