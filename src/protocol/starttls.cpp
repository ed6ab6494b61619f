// Protocols that begin in the clear and go on as TLS: SMTP (RFC 3207), IMAP and POP3 (RFC 2595), FTP (RFC 4217), XMPP (RFC 6120
// 5), LDAP (RFC 4511 4.14), PostgreSQL (Frontend/Backend Protocol, SSLRequest) and MySQL (Client/Server Protocol, SSLRequest).
//
// They are known by their greeting and named on the flow; no record is made of them. The first bytes of the client are looked
// through for a ClientHello, with which TLS takes over (tls.cpp). What comes later, or is behind a login, is not looked at:
// mail, files and rows are none of this file's business.
#include <algorithm>
#include <array>

#include "protocol/dissector.h"

namespace cvf::protocol {

namespace {

using record::RecordType;

constexpr size_t max_greeting = 512;     // RFC 5321 4.5.3.1.5: a reply line
constexpr size_t max_before_tls = 4096;  // of the client: some commands, or one request

bool has_word(std::string_view text, std::string_view upper_word) {
    const auto same = [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; };
    return !std::ranges::search(text, upper_word, same).empty();
}

// A line of the server's with this beginning and, where `word` is not empty, that word in it.
Match greeting(Direction dir, Bytes bytes, std::string_view beginning, std::string_view word) {
    if (dir != Direction::from_responder) return Match::no;
    const std::string_view text = decode::as_text(bytes);
    const size_t common = std::min(text.size(), beginning.size());
    if (text.substr(0, common) != beginning.substr(0, common)) return Match::no;
    if (common < beginning.size()) return Match::maybe;
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return text.size() < max_greeting ? Match::maybe : Match::no;
    return word.empty() || has_word(text.substr(0, end), word) ? Match::yes : Match::no;
}

Match command(Direction dir, Bytes bytes, std::string_view word) {
    if (dir != Direction::from_initiator) return Match::no;
    const std::string_view text = decode::as_text(bytes);
    const size_t common = std::min(text.size(), word.size());
    if (common == 0 || !has_word(text.substr(0, common), word.substr(0, common))) return Match::no;
    return common < word.size() ? Match::maybe : Match::yes;
}

Match match_smtp(Direction dir, Bytes bytes, uint16_t, uint16_t) {
    if (dir == Direction::from_responder) return greeting(dir, bytes, "220", "SMTP");
    return std::max(command(dir, bytes, "EHLO "), command(dir, bytes, "HELO "));
}

Match match_ftp(Direction dir, Bytes bytes, uint16_t, uint16_t) {
    return greeting(dir, bytes, "220", "FTP");
}

Match match_imap(Direction dir, Bytes bytes, uint16_t, uint16_t) {
    return greeting(dir, bytes, "* OK", "IMAP");
}

Match match_pop3(Direction dir, Bytes bytes, uint16_t, uint16_t) {
    return greeting(dir, bytes, "+OK", "");
}

Match match_xmpp(Direction, Bytes bytes, uint16_t, uint16_t) {
    const std::string_view text = decode::as_text(bytes);
    for (const std::string_view beginning : {"<?xml", "<stream:stream"}) {
        const size_t common = std::min(text.size(), beginning.size());
        if (text.substr(0, common) != beginning.substr(0, common)) continue;
        if (text.find("jabber:") != std::string_view::npos) return Match::yes;
        return text.size() < max_greeting ? Match::maybe : Match::no;
    }
    return Match::no;
}

// An extended request whose name is StartTLS's, as the first request: a sequence, message id, application tag 23.
Match match_ldap(Direction dir, Bytes bytes, uint16_t, uint16_t) {
    constexpr std::string_view name = "1.3.6.1.4.1.1466.20037";
    constexpr size_t whole = 31;  // with a message id of one byte
    if (dir != Direction::from_initiator || bytes.empty() || bytes[0] != 0x30) return Match::no;
    if (bytes.size() < whole) return Match::maybe;
    if (bytes[1] != whole - 2 || bytes[2] != 2 || bytes[3] != 1 || bytes[5] != 0x77) return Match::no;
    return decode::as_text(bytes.subspan(9, name.size())) == name ? Match::yes : Match::no;
}

// Length 8, the code 1234.5679.
Match match_postgresql(Direction dir, Bytes bytes, uint16_t, uint16_t) {
    constexpr std::array<uint8_t, 8> request{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
    const size_t common = std::min(bytes.size(), request.size());
    if (dir != Direction::from_initiator || common == 0 || !std::equal(request.begin(), request.begin() + common, bytes.begin()))
        return Match::no;
    return common < request.size() ? Match::maybe : Match::yes;
}

// Packet 0 of the server: length (little-endian, three bytes), number, protocol version 10, the server's version as text with a
// zero behind it.
Match match_mysql(Direction dir, Bytes bytes, uint16_t, uint16_t) {
    constexpr size_t most_version = 64;
    if (dir != Direction::from_responder || bytes.empty()) return Match::no;
    if (bytes.size() < 6) return bytes.size() > 3 && bytes[3] != 0 ? Match::no : Match::maybe;
    const size_t size = decode::load_le16(bytes.data());
    if (bytes[2] != 0 || bytes[3] != 0 || bytes[4] != 10 || size < 32 || size > 512 || bytes[5] < '0' || bytes[5] > '9')
        return Match::no;
    if (bytes.size() < 4 + size) return Match::maybe;
    const Bytes version = bytes.subspan(5, std::min(most_version, size - 1));
    const auto end = std::ranges::find(version, uint8_t{0});
    return end != version.end() && std::all_of(version.begin(), end, [](uint8_t c) { return c >= ' ' && c < 0x7f; }) ? Match::yes
                                                                                                                     : Match::no;
}

// Where a handshake record with a ClientHello may begin in it; its size: nowhere.
size_t find_hello(Bytes bytes) {
    for (auto at = bytes.begin(); (at = std::find(at, bytes.end(), uint8_t{0x16})) != bytes.end(); ++at) {
        const Bytes rest(at, bytes.end());
        const auto fits = [&](size_t i, uint8_t value) { return rest.size() <= i || rest[i] == value; };
        if (fits(1, 3) && (rest.size() <= 2 || rest[2] <= 4) && fits(5, 1)) return static_cast<size_t>(at - bytes.begin());
    }
    return bytes.size();
}

class Opening final : public Dissector {
 public:
    size_t data(Direction dir, Bytes bytes, Context& ctx) override {
        ctx.confirm();
        if (over_ || dir != Direction::from_initiator) return bytes.size();
        const size_t at = find_hello(bytes);
        if (bytes.size() - at >= whole_hello) {
            ctx.hand_over("tls");
            return at;
        }
        seen_ += at;
        if (seen_ > max_before_tls) give_up(ctx);
        return over_ ? bytes.size() : at;
    }

    void gap(Direction dir, uint64_t bytes, Context&) override {
        if (dir == Direction::from_initiator) seen_ += std::min<uint64_t>(bytes, max_before_tls);
    }

 private:
    static constexpr size_t whole_hello = 6;  // enough of it to be sure

    void give_up(Context& ctx) {
        over_ = true;
        for (const Direction dir : {Direction::from_initiator, Direction::from_responder}) {
            ctx.skip(dir, skip_all);
            ctx.want(dir, Want::none);
        }
    }

    size_t seen_ = 0;  // of the client
    bool over_ = false;
};

std::unique_ptr<Dissector> make() {
    return std::make_unique<Opening>();
}

constexpr RecordType types[] = {RecordType::tls};
constexpr auto tcp_only = static_cast<uint8_t>(Transport::tcp);

}  // namespace

const Protocol smtp{"smtp", tcp_only, match_smtp, make, types};
const Protocol imap{"imap", tcp_only, match_imap, make, types};
const Protocol pop3{"pop3", tcp_only, match_pop3, make, types};
const Protocol ftp{"ftp", tcp_only, match_ftp, make, types};
const Protocol xmpp{"xmpp", tcp_only, match_xmpp, make, types};
const Protocol ldap{"ldap", tcp_only, match_ldap, make, types};
const Protocol postgresql{"postgresql", tcp_only, match_postgresql, make, types};
const Protocol mysql{"mysql", tcp_only, match_mysql, make, types};

}  // namespace cvf::protocol
