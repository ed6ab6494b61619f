#include "protocol/dns_record.h"

#include <cstddef>
#include <new>
#include <type_traits>

#include "protocol/dns_codes.h"
#include "protocol/dns_edns.h"
#include "protocol/dns_rdata.h"

namespace cvf::protocol {

namespace {

using record::Field;
using record::Record;

// Most items a list of the record has.
constexpr size_t max_listed = 128;
constexpr uint16_t mdns_class_bit = 0x8000;  // QU in questions, cache-flush in records: RFC 6762 5.4, 10.2

// A list under way on the stack. Its room is not cleared first: that would cost more than all the rest of a record.
template <typename T>
class Listed {
 public:
    bool full() const { return count_ == max_listed; }
    size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    void push(const T& item) {
        if (!full()) new (room_ + sizeof(T) * count_++) T(item);
    }
    std::span<const T> items() const { return {std::launder(reinterpret_cast<const T*>(room_)), count_}; }

 private:
    static_assert(std::is_trivially_destructible_v<T>);
    alignas(T) std::byte room_[sizeof(T) * max_listed];
    size_t count_ = 0;
};

// Reads one message's sections into fields. The views point into the message or `text_`, both alive until the record is emitted.
class MessageWriter {
 public:
    MessageWriter(Bytes message, DnsFlavor flavor, DnsText& text, Context& ctx)
        : reader_(message), header_(DnsHeader::read(message)), flavor_(flavor), text_(text), ctx_(ctx) {}

    const DnsHeader& header() const { return header_; }
    const DnsEdns& edns() const { return edns_; }
    const char* fault() const { return fault_ ? fault_ : reader_.fault(); }
    bool ran_out() const { return !fault_ && reader_.ran_out(); }

    // In the order of the sections. Without a record only names and EDNS are noted.
    void questions(Record* record);
    void answers(Record* record);
    void skip_answers() { skip(header_.answers); }
    void others(Record* record);

 private:
    std::string_view name(NameForm form);
    std::string_view owner();
    std::string_view type_text(uint16_t type);
    std::string_view class_text(uint16_t klass);
    void skip(uint16_t count) {
        while (count-- && reader_.skip_rr()) {
        }
    }
    // Notes an address record of a response.
    void address(const DnsRr& rr, std::string_view owner);
    // Others know an address by the name that was asked for, not by where a chain of aliases led. Multicast responses have no
    // such chains, and hold what goes with the answer too: the address of a service's host is not the service's.
    bool known_by_owner() const { return flavor_ == DnsFlavor::multicast || question_name_.empty(); }
    bool is_address(const DnsRr& rr) const {
        return class_of(rr.klass) == 1 &&
               ((rr.type == dns_type::a && rr.size == 4) || (rr.type == dns_type::aaaa && rr.size == 16));
    }
    // Passes a record that is not written, noting its address if it has one. Its name becomes text only then, and while there is
    // room for addresses: a message has thousands of records, and each name may be 16 times what its pointer takes.
    bool pass(DnsRr& rr);
    NameForm lower() const { return flavor_ == DnsFlavor::multicast ? NameForm::utf8_lower : NameForm::lower; }
    NameForm as_sent() const { return flavor_ == DnsFlavor::multicast ? NameForm::utf8 : NameForm::as_sent; }
    uint16_t class_of(uint16_t klass) const {
        return flavor_ == DnsFlavor::multicast ? static_cast<uint16_t>(klass & ~mdns_class_bit) : klass;
    }

    DnsReader reader_;
    const DnsHeader header_;
    const DnsFlavor flavor_;
    DnsText& text_;
    Context& ctx_;
    DnsEdns edns_;
    const char* fault_ = nullptr;
    std::string_view question_name_;
    // The last owner name that was a mere pointer: answers of one chain repeat it.
    uint16_t owner_pointer_ = 0;
    std::string_view owner_name_;
    Listed<std::span<const uint8_t>> ips_;
};

std::string_view MessageWriter::name(NameForm form) {
    char* end = reader_.name(text_.room(dns_name_room), form);
    if (!end) return {};
    text_.wrote(end);
    return text_.take();
}

std::string_view MessageWriter::owner() {
    const Bytes message = reader_.message();
    const size_t at = reader_.at();
    if (message.size() - at < 2) return name(lower());
    const uint16_t pointer = decode::load_be16(message.data() + at);
    if (pointer >= 0xc000 && pointer == owner_pointer_) {
        reader_.seek(at + 2);
        return owner_name_;
    }
    const std::string_view text = name(lower());
    if (pointer >= 0xc000 && !reader_.fault()) {
        owner_pointer_ = pointer;
        owner_name_ = text;
    }
    return text;
}

std::string_view MessageWriter::type_text(uint16_t type) {
    if (const std::string_view known = dns_type_name(type); !known.empty()) [[likely]]
        return known;
    text_.add("TYPE");
    text_.number(type);
    return text_.take();
}

std::string_view MessageWriter::class_text(uint16_t klass) {
    if (const std::string_view known = dns_class_name(klass); !known.empty()) [[likely]]
        return known;
    text_.add("CLASS");
    text_.number(klass);
    return text_.take();
}

void MessageWriter::questions(Record* record) {
    Listed<std::string_view> more;
    for (uint16_t i = 0; i < header_.questions; ++i) {
        // Beyond what is listed no name becomes text.
        std::string_view asked;
        if (i == 0 || (record && !more.full()))
            asked = name(lower());
        else
            reader_.skip_name();
        uint16_t type = 0, klass = 0;
        if (reader_.fault() || !reader_.u16(type) || !reader_.u16(klass)) {
            // The name alone still tells what a cut message asked for.
            if (i == 0 && record && !asked.empty()) record->text(Field::dns_question_name, asked);
            break;
        }
        if (i == 0) {
            question_name_ = asked;
            owner_pointer_ = 0xc000 | dns_header_size;
            owner_name_ = asked;
            if (!record) continue;
            record->text(Field::dns_question_name, asked);
            record->text(Field::dns_question_type, type_text(type));
            record->text(Field::dns_question_class, class_text(class_of(klass)));
            if (flavor_ == DnsFlavor::multicast && !header_.is_response() && klass & mdns_class_bit)
                record->flag(Field::dns_unicast_response, true);
        } else if (record && !more.full()) {
            text_.add(asked);
            text_.add(' ');
            if (const std::string_view known = dns_type_name(type); !known.empty()) {
                text_.add(known);
            } else {
                text_.add("TYPE");
                text_.number(type);
            }
            more.push(text_.take());
        }
    }
    if (!more.empty()) record->texts(Field::dns_more_questions, more.items());
}

void MessageWriter::address(const DnsRr& rr, std::string_view owner) {
    if (!is_address(rr) || !header_.is_response()) return;
    const Bytes ip = reader_.message().subspan(rr.data, rr.size);
    ips_.push(ip);
    ctx_.name_seen(known_by_owner() ? owner : question_name_, ip, rr.ttl);
}

bool MessageWriter::pass(DnsRr& rr) {
    const size_t at = reader_.at();
    if (!reader_.skip_name() || !reader_.rr(rr)) return false;
    if (!header_.is_response() || ips_.full() || !is_address(rr)) return true;
    const size_t behind = reader_.at();
    std::string_view owner_text;
    if (known_by_owner()) {
        reader_.seek(at);
        owner_text = owner();
        if (reader_.fault()) return false;
        reader_.seek(behind);
    }
    address(rr, owner_text);
    return true;
}

void MessageWriter::answers(Record* record) {
    Listed<std::string_view> data, names, types;
    Listed<uint64_t> ttls;
    uint16_t i = 0;
    for (; i < header_.answers && !reader_.fault(); ++i) {
        if (data.full()) {
            skip(static_cast<uint16_t>(header_.answers - i));
            break;
        }
        DnsRr rr;
        if (!record) {
            if (!pass(rr)) break;
            continue;
        }
        const std::string_view owner_text = owner();
        if (!reader_.rr(rr)) break;
        address(rr, owner_text);
        rr.klass = class_of(rr.klass);
        std::string_view value;
        if (!write_dns_rdata(reader_.message(), rr, as_sent(), text_, value)) fault_ = "record data does not follow its type";
        data.push(value);
        names.push(owner_text);
        types.push(type_text(rr.type));
        ttls.push(rr.ttl);
    }
    if (!record || header_.answers == 0) return;
    if (!data.empty()) {
        record->texts(Field::dns_answers, data.items());
        record->texts(Field::dns_answer_names, names.items());
        record->texts(Field::dns_answer_types, types.items());
        record->uints(Field::dns_answer_ttls, ttls.items());
    }
    if (data.size() < header_.answers) record->uint(Field::dns_answer_count, header_.answers);
}

// Authority and additional sections: counted; of mDNS, addresses are noted too; and OPT is read wherever it stands.
void MessageWriter::others(Record* record) {
    skip(header_.authority);
    for (uint16_t i = 0; i < header_.additional && !reader_.fault(); ++i) {
        DnsRr rr;
        if (flavor_ == DnsFlavor::multicast ? !pass(rr) : !reader_.skip_name() || !reader_.rr(rr)) break;
        if (rr.type == dns_type::opt && !edns_.present && !read_edns(reader_.message(), rr, edns_))
            fault_ = "EDNS option does not fit";
    }
    if (!record) return;
    if (!ips_.empty()) record->ips(Field::dns_resolved_ip, ips_.items());
    if (header_.authority) record->uint(Field::dns_authority_count, header_.authority);
    if (header_.additional) record->uint(Field::dns_additional_count, header_.additional);
}

void write_flags(const DnsHeader& header, bool dnssec_ok, DnsFlavor flavor, Record& record) {
    std::string_view flags[7];
    size_t n = 0;
    const bool llmnr = flavor == DnsFlavor::link_local;
    if (header.authoritative()) flags[n++] = llmnr ? "C" : "AA";
    if (header.truncated()) flags[n++] = "TC";
    if (header.recursion_desired()) flags[n++] = llmnr ? "T" : "RD";
    if (header.recursion_available()) flags[n++] = "RA";
    if (header.authentic_data()) flags[n++] = "AD";
    if (header.checking_disabled()) flags[n++] = "CD";
    if (dnssec_ok) flags[n++] = "DO";
    if (n) record.texts(Field::dns_header_flags, {flags, n});
}

// A code's registered name, or its number.
std::string_view or_number(std::string_view name, uint16_t code, DnsText& text) {
    if (!name.empty()) [[likely]]
        return name;
    text.number(code);
    return text.take();
}

DnsHeader with_flags(DnsHeader header, uint16_t flags) {
    header.flags = flags;
    return header;
}

void write_response_code(const DnsTransaction& t, const DnsHeader& header, uint8_t upper, Record& record, DnsText& text) {
    const uint8_t low = t.transfer ? static_cast<uint8_t>(t.transfer->response_flags & 15) : header.response_code();
    const uint16_t code = static_cast<uint16_t>(upper << 4 | low);
    const std::string_view name = or_number(dns_response_code_name(code), code, text);
    record.text(Field::dns_response_code, name);
    if (code != 0) record.text(Field::error_type, name);
}

void write_sizes(const DnsTransaction& t, Record& record) {
    if (t.query_size) record.uint(Field::dns_query_size, t.query_size);
    if (!t.response.empty()) record.uint(Field::dns_response_size, t.response.size());
    if (t.retransmits) record.uint(Field::dns_retransmits, t.retransmits);
    if (t.transfer) {
        record.uint(Field::dns_response_size, t.transfer->bytes);
        record.uint(Field::dns_transfer_messages, t.transfer->messages);
        record.uint(Field::dns_answer_count, t.transfer->records);
    }
}

}  // namespace

void emit_dns(const DnsTransaction& t, DnsFlavor flavor, Context& ctx) {
    Record& record = ctx.start(record::RecordType::dns, t.started);
    DnsText text(record.arena());
    const bool answered = !t.response.empty() || t.transfer;
    if (t.ended && !t.query.empty())
        record.uint(Field::event_duration, static_cast<uint64_t>(t.ended > t.started ? t.ended - t.started : 0));

    MessageWriter message(t.response.empty() ? t.query : t.response, flavor, text, ctx);
    const DnsHeader& header = message.header();
    text.number(header.id);
    record.text(Field::dns_id, text.take());
    record.text(Field::dns_type, answered ? "answer" : "query");
    record.text(Field::dns_op_code, or_number(dns_op_code_name(header.op_code()), header.op_code(), text));

    message.questions(&record);
    // In UPDATE the second section holds conditions, not answers; those of a transfer are only counted.
    if (header.op_code() == dns_op::update || t.transfer)
        message.skip_answers();
    else
        message.answers(&record);
    message.others(&record);

    DnsEdns edns = message.edns();
    bool edns_of_response = header.is_response();
    if (!t.response.empty() && !t.query.empty()) {
        // What only the query tells: the question a server left out of its error, and EDNS that got no EDNS back.
        const DnsHeader asked = DnsHeader::read(t.query);
        const bool ask_question = header.questions == 0, ask_edns = !edns.present && asked.additional;
        if (ask_question || ask_edns) [[unlikely]] {
            MessageWriter query(t.query, flavor, text, ctx);
            query.questions(ask_question ? &record : nullptr);
            query.skip_answers();
            query.others(nullptr);
            if (ask_edns) {
                edns = query.edns();
                edns_of_response = false;
            }
        }
    }
    if (edns.present) write_edns(edns, edns_of_response, record, text);
    write_flags(t.transfer ? with_flags(header, t.transfer->response_flags) : header, edns.dnssec_ok, flavor, record);
    if (answered) write_response_code(t, header, edns_of_response ? edns.upper_response_code : 0, record, text);
    write_sizes(t, record);
    if (!t.unanswered.empty()) {
        record.text(Field::dns_unanswered, t.unanswered);
        if (t.unanswered == "timeout") record.text(Field::error_type, t.unanswered);
    }
    if (message.fault()) [[unlikely]] {
        if (message.ran_out() && (t.response.empty() ? t.query_cut : t.response_cut)) {
            record.flag(Field::cvf_truncated, true);
        } else {
            record.text(Field::cvf_violation, message.fault());
            ctx.violation(message.fault());
        }
    }
    ctx.emit(record);
}

void note_dns_names(Bytes response, DnsFlavor flavor, Context& ctx) {
    record::Arena arena;
    DnsText text(arena);
    MessageWriter message(response, flavor, text, ctx);
    message.questions(nullptr);
    message.answers(nullptr);
    if (flavor == DnsFlavor::multicast) message.others(nullptr);
}

}  // namespace cvf::protocol
