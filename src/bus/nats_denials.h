// Subjects that the server does not let this connection publish to.
//
// Such a message is answered with an error that names the subject, and dropped; the connection goes on, and the PONG behind the
// message comes as if it had arrived. So the PONG is believed only for subjects that are not in here. As permissions may change
// under a connection, one message of a denied subject goes out every few seconds: the question. It has arrived when no error
// comes within `answer_within` of the PONG.
//
// Thread rule: any thread. Source: the NATS client protocol, -ERR 'Permissions Violation for Publish to "SUBJECT"'.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace cvf::bus {

class NatsDenials {
 public:
    static constexpr std::chrono::milliseconds ask_every{5000}, answer_within{100};

    // A message that was sent.
    struct Ticket {
        uint64_t subject = 0;   // its hash
        uint64_t refusals = 0;  // of its subject, before it was sent
        bool question = false;
    };

    // The server's words, once for each error, though maybe after the PONG; others than of publishing are let pass.
    void refused(std::string_view words);
    // The last of the server's words, as they stood when the PONG came. True: they deny a subject that was not known to be; which
    // of the messages sent were dropped is then not known.
    bool news(std::string_view words);

    // For a message that is to be sent now; nothing: it is not to be sent, for it would not arrive.
    std::optional<Ticket> ask(std::string_view subject);
    // Whether the message has arrived, the PONG being there, and `answer_within` later for a question.
    bool arrived(const Ticket& ticket);

 private:
    struct Denied {
        uint64_t refusals = 0;
        std::chrono::steady_clock::time_point next_question;
    };
    std::atomic<bool> any_{false};
    std::mutex mutex_;
    std::unordered_map<uint64_t, Denied> denied_;
};

}  // namespace cvf::bus
