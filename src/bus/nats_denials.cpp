#include "bus/nats_denials.h"

namespace cvf::bus {

namespace {

using Clock = std::chrono::steady_clock;

uint64_t hash_of(std::string_view subject) {
    return std::hash<std::string_view>{}(subject);
}

std::optional<uint64_t> denied_subject(std::string_view words) {
    constexpr std::string_view before = "ermissions Violation for Publish to \"";
    const size_t at = words.find(before);
    if (at == words.npos) return std::nullopt;
    const std::string_view rest = words.substr(at + before.size());
    return hash_of(rest.substr(0, rest.find('"')));
}

}  // namespace

void NatsDenials::refused(std::string_view words) {
    const auto subject = denied_subject(words);
    if (!subject) return;
    const std::lock_guard lock(mutex_);
    Denied& denied = denied_[*subject];
    denied.refusals++;
    denied.next_question = Clock::now() + ask_every;
    any_.store(true, std::memory_order_release);
}

bool NatsDenials::news(std::string_view words) {
    const auto subject = denied_subject(words);
    if (!subject) return false;
    const std::lock_guard lock(mutex_);
    if (!denied_.try_emplace(*subject, Denied{0, Clock::now() + ask_every}).second) return false;
    any_.store(true, std::memory_order_release);
    return true;
}

std::optional<NatsDenials::Ticket> NatsDenials::ask(std::string_view subject) {
    Ticket ticket{hash_of(subject), 0, false};
    if (!any_.load(std::memory_order_acquire)) return ticket;
    const std::lock_guard lock(mutex_);
    const auto at = denied_.find(ticket.subject);
    if (at == denied_.end()) return ticket;
    const auto now = Clock::now();
    if (now < at->second.next_question) return std::nullopt;
    at->second.next_question = now + ask_every;
    ticket.refusals = at->second.refusals;
    ticket.question = true;
    return ticket;
}

bool NatsDenials::arrived(const Ticket& ticket) {
    if (!any_.load(std::memory_order_acquire)) return true;
    const std::lock_guard lock(mutex_);
    const auto at = denied_.find(ticket.subject);
    if (at == denied_.end()) return true;
    if (!ticket.question || at->second.refusals != ticket.refusals) return false;
    denied_.erase(at);
    any_.store(!denied_.empty(), std::memory_order_release);
    return true;
}

}  // namespace cvf::bus
