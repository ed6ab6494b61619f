#include "host/netns.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <system_error>
#include <unordered_set>
#include <utility>

namespace cvf::host {

namespace {
constexpr unsigned long nsfs_magic = 0x6e736673;  // linux/magic.h NSFS_MAGIC; written out, for old headers have it not
}

uint32_t netns_id(const std::string& path, bool only_nsfs) {
    struct stat about{};
    struct statfs where{};
    // A path handle does not open the file itself: no device or pipe can block or be woken by it.
    const int fd = ::open(path.c_str(), O_PATH | O_CLOEXEC);
    if (fd < 0) return 0;
    const bool good = ::fstat(fd, &about) == 0 &&
                      (!only_nsfs || (::fstatfs(fd, &where) == 0 && static_cast<unsigned long>(where.f_type) == nsfs_magic));
    ::close(fd);
    return good ? static_cast<uint32_t>(about.st_ino) : 0;
}

std::vector<Netns> named_netns(const NetnsPaths& paths, size_t limit) {
    std::vector<Netns> found;
    std::unordered_set<uint32_t> seen;
    const std::string host = paths.proc + "/1/ns/net";
    const uint32_t host_id = paths.only_nsfs ? netns_id(host) : Proc(paths.proc).netns(1);
    if (host_id != 0) {
        found.push_back({host_id, "host", host});
        seen.insert(host_id);
    }
    for (const std::string& folder : paths.named) {
        const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(folder.c_str()), ::closedir);
        if (!directory) continue;
        while (const dirent* entry = ::readdir(directory.get())) {
            if (entry->d_name[0] == '.') continue;
            if (found.size() >= limit) return found;
            std::string path = folder + '/' + entry->d_name;
            const uint32_t id = netns_id(path, paths.only_nsfs);
            if (id != 0 && seen.insert(id).second) found.push_back({id, entry->d_name, std::move(path)});
        }
    }
    return found;
}

std::vector<Netns> list_netns(const NetnsPaths& paths, size_t limit) {
    std::vector<Netns> found = named_netns(paths, limit);
    std::unordered_set<uint32_t> seen;
    for (const Netns& one : found) seen.insert(one.id);
    const Proc proc(paths.proc);
    for (const uint32_t pid : proc.list()) {
        if (found.size() >= limit) break;
        const uint32_t id = proc.netns(pid);
        if (id != 0 && seen.insert(id).second) found.push_back({id, {}, paths.proc + '/' + std::to_string(pid) + "/ns/net"});
    }
    return found;
}

std::expected<std::unique_ptr<NetnsThread>, std::string> NetnsThread::enter(const std::string& path) {
    const auto failed = [&path](const char* what, int error) {
        return std::unexpected("cannot " + std::string(what) + " network namespace " + path + ": " +
                               std::generic_category().message(error));
    };
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return failed("open", errno);
    std::unique_ptr<NetnsThread> entered(new NetnsThread);
    entered->thread_ = std::thread(&NetnsThread::loop, entered.get(), fd);
    std::unique_lock lock(entered->mutex_);
    entered->changed_.wait(lock, [&] { return entered->ready_; });
    const int error = entered->error_;
    lock.unlock();
    if (error != 0) return failed("enter", error);
    return entered;
}

NetnsThread::~NetnsThread() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void NetnsThread::run(const std::function<void()>& work) {
    std::unique_lock lock(mutex_);
    work_ = &work;
    changed_.notify_all();
    changed_.wait(lock, [this] { return work_ == nullptr; });
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

void NetnsThread::loop(int fd) {
    // Only the network of this one thread changes; the process and its other threads stay where they are.
    const int error = ::setns(fd, CLONE_NEWNET) == 0 ? 0 : errno;
    ::close(fd);
    std::unique_lock lock(mutex_);
    error_ = error;
    ready_ = true;
    changed_.notify_all();
    if (error != 0) return;
    for (;;) {
        changed_.wait(lock, [this] { return stop_ || work_ != nullptr; });
        if (work_ == nullptr) return;
        lock.unlock();
        try {
            (*work_)();
        } catch (...) {
            thrown_ = std::current_exception();
        }
        lock.lock();
        work_ = nullptr;
        changed_.notify_all();
    }
}

}  // namespace cvf::host
