// Brokers for tests: started on loopback with free ports and a folder of their own, ended by their process id.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cvf::bus::test {

// A folder in the system's place for temporary ones, gone with its owner.
class Folder {
 public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    std::string path() const { return path_.string(); }

 private:
    std::filesystem::path path_;
};

// A program, found in PATH and /usr/sbin; its output goes to a file.
class Process {
 public:
    Process(std::vector<std::string> command, std::string log);
    ~Process() { end(SIGKILL); }
    Process(const Process&) = delete;
    void signal(int number) const;
    // Sends the signal and waits for its end.
    void end(int number);
    bool running();
    pid_t pid() const { return pid_; }

 private:
    pid_t pid_ = -1;
};

std::string find_program(const std::string& name);  // empty: not there
int free_port();
bool accepts(int port);
// True when `done` became true in time.
bool wait_for(const std::function<bool()>& done, std::chrono::milliseconds time = std::chrono::seconds(10));

struct NatsOptions {
    bool jetstream = true;
    std::string config;  // more lines of its configuration file
};

// nats-server; its port and store stay the same over kill() and start().
class Nats {
 public:
    explicit Nats(NatsOptions options = {});
    // The same on a port and in a folder given.
    Nats(NatsOptions options, int port);
    static bool installed() { return !find_program("nats-server").empty(); }
    std::string url(const std::string& scheme = "nats://", const std::string& host = "127.0.0.1") const;
    int port() const { return port_; }
    void start();
    void kill() { process_.reset(); }  // -9
    // Reads another configuration while it runs.
    void reconfigure(NatsOptions options);
    Process& process() { return *process_; }
    std::string log() const;

 private:
    void configure();
    Folder folder_;
    NatsOptions options_;
    int port_;
    std::unique_ptr<Process> process_;
};

// An authority, a server's and a client's certificate, made by openssl.
class Certificates {
 public:
    Certificates();
    std::string ca() const { return folder_ / "ca.pem"; }
    std::string other_ca() const { return folder_ / "other.pem"; }
    std::string server() const { return folder_ / "server.pem"; }
    std::string server_key() const { return folder_ / "server.key"; }
    std::string client() const { return folder_ / "client.pem"; }
    std::string client_key() const { return folder_ / "client.key"; }

 private:
    Folder folder_;
};

// Apache Kafka in KRaft mode, one broker that is its own controller; its ports and data stay the same over kill() and start().
class Kafka {
 public:
    // `config`: more lines of its properties.
    explicit Kafka(std::string config = {});
    // With doors that ask who comes. Logins are by SCRAM-SHA-512 or PLAIN, of the users given as name and password.
    Kafka(const Certificates& certificates, const std::vector<std::pair<std::string, std::string>>& users);
    // Empty where it can be run; else why not. Fetches the jars when they are not there.
    static std::string missing();
    std::string url() const { return "kafka://127.0.0.1:" + std::to_string(port_); }
    int port() const { return port_; }
    // TLS: encrypted; MUTUAL: and wants the client's certificate; LOGIN: wants a login; FULL: all of it.
    int port(const std::string& door) const { return doors_.at(door); }
    void start();
    void kill() { process_.reset(); }  // -9
    Process& process() { return *process_; }
    std::string log() const;

 private:
    void prepare(const std::string& config, const std::vector<std::string>& options);
    Folder folder_;
    int port_, controller_port_;
    std::map<std::string, int> doors_;
    std::unique_ptr<Process> process_;
};

}  // namespace cvf::bus::test
