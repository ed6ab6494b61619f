#include "broker.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace cvf::bus::test {

namespace {

std::string whole(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

Folder::Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "cvf-bus-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Process::Process(std::vector<std::string> command, std::string log) {
    command[0] = find_program(command[0]);
    std::vector<char*> arguments;
    for (std::string& a : command) arguments.push_back(a.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is killed leaves nothing behind
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(out, 1);
        dup2(out, 2);
        execv(arguments[0], arguments.data());
        _exit(127);
    }
}

void Process::signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
}

void Process::end(int number) {
    if (pid_ <= 0) return;
    ::kill(pid_, number);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

bool Process::running() {
    if (pid_ <= 0 || waitpid(pid_, nullptr, WNOHANG) != pid_) return pid_ > 0;
    pid_ = -1;
    return false;
}

std::string find_program(const std::string& name) {
    if (name.find('/') != name.npos) return name;
    const char* path = std::getenv("PATH");
    std::istringstream folders(std::string(path ? path : "/usr/bin") + ":/usr/sbin:/sbin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        if (access((folder + "/" + name).c_str(), X_OK) == 0) return folder + "/" + name;
    }
    return {};
}

int free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(fd, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    close(fd);
    return ntohs(address.sin_port);
}

bool accepts(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool yes = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    return yes;
}

bool wait_for(const std::function<bool()>& done, std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!done()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

Nats::Nats(NatsOptions options) : Nats(std::move(options), free_port()) {}

Nats::Nats(NatsOptions options, int port) : options_(std::move(options)), port_(port) {
    start();
}

void Nats::configure() {
    std::ofstream config(folder_ / "nats.conf");
    config << "listen: \"127.0.0.1:" << port_ << "\"\n";
    if (options_.jetstream) config << "jetstream { store_dir: \"" << (folder_ / "store") << "\" }\n";
    config << options_.config << '\n';
}

void Nats::reconfigure(NatsOptions options) {
    options_ = std::move(options);
    configure();
    process_->signal(SIGHUP);
}

void Nats::start() {
    configure();
    process_ = std::make_unique<Process>(std::vector<std::string>{"nats-server", "-c", folder_ / "nats.conf"}, folder_ / "log");
    if (!wait_for([&] { return accepts(port_) || !process_->running(); }) || !process_->running()) {
        throw std::runtime_error("nats-server does not start:\n" + log());
    }
}

std::string Nats::url(const std::string& scheme, const std::string& host) const {
    return scheme + host + ":" + std::to_string(port_);
}

std::string Nats::log() const {
    return whole(folder_ / "log");
}

namespace {

// The folder with Kafka's jars; empty, and `why` says it, when it can't be had.
const std::string& kafka_jars(std::string& why) {
    static std::string reason;
    static const std::string jars = [] {
        const Folder folder;
        Process fetch({"sh", "-c", std::string(CVF_FETCH_KAFKA) + " 2>" + (folder / "why") + " >" + (folder / "out")},
                      folder / "log");
        wait_for([&] { return !fetch.running(); }, std::chrono::minutes(5));
        std::string out = whole(folder / "out");
        reason = whole(folder / "why");
        while (out.ends_with('\n')) out.pop_back();
        std::replace(reason.begin(), reason.end(), '\n', ' ');
        return out;
    }();
    why = reason;
    return jars;
}

}  // namespace

std::string Kafka::missing() {
    if (find_program("java").empty()) return "no Java here";
    std::string why;
    return kafka_jars(why).empty() ? "Apache Kafka can't be had: " + why : std::string();
}

Kafka::Kafka(std::string config) : port_(free_port()), controller_port_(free_port()) {
    prepare(config, {});
}

Kafka::Kafka(const Certificates& certificates, const std::vector<std::pair<std::string, std::string>>& users)
    : port_(free_port()), controller_port_(free_port()) {
    for (const char* door : {"TLS", "MUTUAL", "LOGIN", "FULL"}) doors_[door] = free_port();
    // Kafka wants a key and its certificates in one file.
    std::ofstream(folder_ / "server.pem") << whole(certificates.server_key()) << whole(certificates.server());
    std::string scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    std::string plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    std::vector<std::string> options;
    for (const auto& [user, password] : users) {
        plain += " user_" + user + "=\"" + password + "\"";
        options.insert(options.end(), {"--add-scram", "SCRAM-SHA-512=[name=" + user + ",password=" + password + "]"});
    }
    prepare("ssl.keystore.type=PEM\nssl.keystore.location=" + (folder_ / "server.pem") +
                "\nssl.truststore.type=PEM\nssl.truststore.location=" + certificates.ca() +
                "\nlistener.name.mutual.ssl.client.auth=required\nlistener.name.full.ssl.client.auth=required"
                "\nlistener.name.login.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN"
                "\nlistener.name.full.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN"
                "\nlistener.name.login.scram-sha-512.sasl.jaas.config=" +
                scram + "\nlistener.name.full.scram-sha-512.sasl.jaas.config=" + scram +
                "\nlistener.name.full.plain.sasl.jaas.config=" + plain +
                ";\nlistener.name.login.plain.sasl.jaas.config=" + plain + ";",
            options);
}

void Kafka::prepare(const std::string& config, const std::vector<std::string>& options) {
    const std::string at = "127.0.0.1:";
    std::string listen = "PLAINTEXT://" + at + std::to_string(port_), tell = listen;
    for (const auto& [door, port] : doors_) {
        listen += "," + door + "://" + at + std::to_string(port);
        tell += "," + door + "://localhost:" + std::to_string(port);  // the name in the certificate
    }
    std::ofstream(folder_ / "server.properties")
        << "process.roles=broker,controller\nnode.id=1\n"
        << "listeners=" << listen << ",CONTROLLER://" << at << controller_port_ << "\nadvertised.listeners=" << tell
        << "\nlistener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,TLS:SSL,MUTUAL:SSL,LOGIN:SASL_PLAINTEXT,"
           "FULL:SASL_SSL"
        << "\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=" << at << controller_port_
        << "\nlog.dirs=" << (folder_ / "data")
        << "\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n"
           "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
           "group.initial.rebalance.delay.ms=0\nauto.create.topics.enable=false\n"
        << config << '\n';
    std::string why;
    std::vector<std::string> command{"java",
                                     "-cp",
                                     kafka_jars(why) + "/*",
                                     "kafka.tools.StorageTool",
                                     "format",
                                     "--standalone",
                                     "-t",
                                     "J8qXRwI-Qyi2G0guFTiuYw",
                                     "-c",
                                     folder_ / "server.properties"};
    command.insert(command.end(), options.begin(), options.end());
    Process format(command, folder_ / "log");
    wait_for([&] { return !format.running(); }, std::chrono::seconds(60));
    start();
}

void Kafka::start() {
    std::string why;
    process_ = std::make_unique<Process>(
        std::vector<std::string>{"java", "-Xmx512m", "-cp", kafka_jars(why) + "/*", "kafka.Kafka", folder_ / "server.properties"},
        folder_ / "log");
    if (!wait_for([&] { return accepts(port_) || !process_->running(); }, std::chrono::seconds(60)) || !process_->running()) {
        throw std::runtime_error("Kafka does not start:\n" + log());
    }
}

std::string Kafka::log() const {
    return whole(folder_ / "log");
}

Certificates::Certificates() {
    std::ofstream(folder_ / "server.ext") << "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n";
    std::ofstream(folder_ / "client.ext") << "extendedKeyUsage=clientAuth\n";
    const std::string script = "set -e; cd " + folder_.path() + R"(
        new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        for ca in ca other; do $new -x509 -days 2 -subj "/CN=$ca" -keyout $ca.key -out $ca.pem; done
        for who in server client; do
            $new -subj "/CN=$who" -keyout $who.key -out $who.csr
            openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $who.ext -out $who.pem
        done)";
    Process openssl({"sh", "-c", script}, folder_ / "log");
    if (!wait_for([&] { return !openssl.running(); }) || !std::filesystem::exists(client())) {
        throw std::runtime_error("openssl makes no certificates");
    }
}

}  // namespace cvf::bus::test
