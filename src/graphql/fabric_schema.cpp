// CVF's schema: the types of records from the field table, those of directives and nodes beside them, and what can be asked.
#include <algorithm>
#include <string>

#include "directive/directive.h"
#include "directive/generation.h"
#include "directive/status.h"
#include "graphql/fabric_fields.h"
#include "graphql/schema.h"
#include "record/fields.h"
#include "record/schema.h"

namespace cvf::graphql {

std::string field_name(std::string_view key) {
    std::string out(key.starts_with('@') ? key.substr(1) : key);
    std::ranges::replace(out, '.', '_');
    std::ranges::replace(out, '-', '_');
    return out;
}

namespace {

using record::Kind;

// "http" is HttpRecord.
std::string type_name(std::string_view record_type) {
    std::string out;
    bool upper = true;
    for (const char c : record_type) {
        if (c == '_') {
            upper = true;
            continue;
        }
        out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        upper = false;
    }
    return out + "Record";
}

class Maker {
 public:
    explicit Maker(Schema& schema) : schema_(schema) {}

    void make() {
        Type& query = schema_.add(TypeKind::object, "Query", "What can be read.");
        Type& mutation = schema_.add(TypeKind::object, "Mutation", "What can be changed. Needs the role operator.");
        Type& subscription = schema_.add(TypeKind::object, "Subscription", "What can be followed.");
        scalars();
        enumerations();
        records();
        answers();
        directives();
        nodes();
        fabric_query(query, schema_);
        fabric_mutation(mutation, schema_);
        fabric_subscription(subscription, schema_);
        schema_.seal();
    }

 private:
    TypeRef ref(std::string_view name, std::string_view wraps = "") const { return {&schema_.must(name), wraps}; }

    void scalar(const char* name, const char* doc, const char* url = "") {
        schema_.add(TypeKind::scalar, name, doc).specified_by = url;
    }

    void scalars() {
        scalar("String", "UTF-8 text.");
        scalar("Int", "A whole number of 32 bits, signed.");
        scalar("Float", "A number, IEEE 754 double.");
        scalar("Boolean", "`true` or `false`.");
        scalar("UInt64", "A whole number of 64 bits, a JSON number; JavaScript keeps 53 of them.");
        scalar("Int64", "A whole number of 64 bits, signed, a JSON number; JavaScript keeps 53 of them.");
        scalar("Time", "RFC 3339 in UTC, with nanoseconds.", "https://www.rfc-editor.org/rfc/rfc3339");
        scalar("Address", "IPv4 dotted, or IPv6 as RFC 5952 writes it.", "https://www.rfc-editor.org/rfc/rfc5952");
        scalar("Mac", "Six upper-case pairs of hex digits joined by `-`.");
        scalar("Hex", "Bytes as lower-case hex digits.");
        scalar("StringMap", "A JSON object of strings.");
        scalar("Json", "Any JSON value.", "https://www.rfc-editor.org/rfc/rfc8259");
    }

    template <typename Names>
    void enumeration(const char* name, const char* doc, const Names& names) {
        Type& type = schema_.add(TypeKind::enumeration, name, doc);
        for (const std::string_view value : names) type.values.push_back({std::string(value), {}, std::string(value)});
    }

    void enumerations() {
        Type& types = schema_.add(TypeKind::enumeration, "RecordType", "What a record tells of.");
        for (size_t i = 0; i < record::type_count; ++i) {
            const record::TypeInfo& info = record::info(static_cast<record::RecordType>(i));
            types.values.push_back({field_name(info.name), std::string(info.doc), std::string(info.name)});
        }
        enumeration("Order", "Which records come first.", std::initializer_list<std::string_view>{"newest", "oldest"});
        enumeration("DirectiveKind", "Kinds of directives.", directive::kind_names);
        enumeration("DirectiveState", "How a directive fares on an agent.", directive::state_names);
        enumeration("Change", "What applying a document did.", directive::change_names);
    }

    TypeRef type_of(record::Field field) const {
        // These three every record has.
        if (field == record::Field::record_type) return ref("RecordType", "!");
        if (field == record::Field::timestamp) return ref("Time", "!");
        switch (record::info(field).kind) {
            case Kind::text:
                return ref("String");
            case Kind::uint:
                return ref("UInt64");
            case Kind::sint:
                return ref("Int64");
            case Kind::real:
                return ref("Float");
            case Kind::flag:
                return ref("Boolean");
            case Kind::ip:
                return ref("Address");
            case Kind::mac:
                return ref("Mac");
            case Kind::time:
                return ref("Time");
            case Kind::hex:
                return ref("Hex");
            case Kind::list_text:
                return ref("String", "[!");
            case Kind::list_uint:
                return ref("UInt64", "[!");
            case Kind::list_ip:
                return ref("Address", "[!");
            case Kind::map:
                return ref("StringMap");
        }
        return ref("Json");
    }

    FieldDef field_of(record::Field field) const {
        const record::FieldInfo& info = record::info(field);
        FieldDef out{field_name(info.key), std::string(info.doc), type_of(field)};
        out.key = info.key;
        return out;
    }

    void records() {
        Type& common =
            schema_.add(TypeKind::interface, "Record", "One thing seen. Fields are named as in JSON, with `_` for `.`.");
        for (size_t f = 0; f < record::field_count; ++f)
            if (record::info(static_cast<record::Field>(f)).types == "*")
                common.fields.push_back(field_of(static_cast<record::Field>(f)));
        for (size_t t = 0; t < record::type_count; ++t) {
            const record::TypeInfo& info = record::info(static_cast<record::RecordType>(t));
            Type& type = schema_.add(TypeKind::object, type_name(info.name), std::string(info.doc));
            type.interfaces = {&common};
            type.when = info.name;
            for (size_t f = 0; f < record::field_count; ++f)
                if (record::can_have(static_cast<record::RecordType>(t), record::info(static_cast<record::Field>(f))))
                    type.fields.push_back(field_of(static_cast<record::Field>(f)));
        }
    }

    // NAMEEdge and NAMEConnection, as Relay has them.
    void connection(const std::string& name, const char* of) {
        Type& edge = schema_.add(TypeKind::object, name + "Edge", "One item of a page.");
        edge.fields = {{"cursor", "What `after` takes to go on behind it.", ref("String", "!")}, {"node", {}, ref(of, "!")}};
        Type& page = schema_.add(TypeKind::object, name + "Connection", "One page of a list.");
        page.fields = {{"edges", {}, {&edge, "![!"}},
                       {"nodes", "The nodes of the edges.", ref(of, "![!")},
                       {"pageInfo", {}, ref("PageInfo", "!")}};
    }

    void answers() {
        schema_.add(TypeKind::object, "PageInfo", "Where a page stands in its list.").fields = {
            {"hasNextPage", {}, ref("Boolean", "!")},
            {"hasPreviousPage", {}, ref("Boolean", "!")},
            {"startCursor", {}, ref("String")},
            {"endCursor", {}, ref("String")}};
        Type& progress = schema_.add(TypeKind::object, "QueryProgress", "What a query went through.");
        for (const auto& [name, doc] : {std::pair{"examined", "Records looked at or ruled out."},
                                        {"total", "Records of the time asked for, nearly."},
                                        {"matched", "Records that matched."},
                                        {"damaged", "Records that could not be read."}})
            progress.fields.push_back({name, doc, ref("UInt64", "!")});
        connection("Record", "Record");
        schema_.find("RecordConnection")->fields.push_back({"progress", {}, ref("QueryProgress", "!")});
        schema_.add(TypeKind::object, "Table", "Numbers over groups of records.").fields = {
            {"columns", "`time` where stretches were asked for, the keys, the measures.", ref("String", "![!")},
            {"rows", "A cell for each column.", ref("Json", "![![")},
            {"approximate", "Percentiles come from histograms, within 0.4 %.", ref("Boolean", "!")},
            {"leftOut", "Records in groups beyond the bound of memory: in no row.", ref("UInt64", "!")},
            {"more", "There are more groups than asked for.", ref("Boolean", "!")},
            {"progress", {}, ref("QueryProgress", "!")}};
        schema_.add(TypeKind::object, "History", "What is kept of the past.").fields = {
            {"records", {}, ref("UInt64", "!")},
            {"bytes", "On disk; 0 where it is not known.", ref("UInt64", "!")},
            {"segments", {}, ref("UInt64", "!")},
            {"first", "Earliest time kept, ns since 1970, UTC; 0: nothing is kept.", ref("Int64", "!")},
            {"last", "Latest time kept, likewise.", ref("Int64", "!")},
            {"written", "Records since the start.", ref("UInt64", "!")},
            {"lost", "Records that could not be written.", ref("UInt64", "!")},
            {"refused", "Lines that were no records.", ref("UInt64", "!")},
            {"droppedRecords", "Beyond the bounds of size and age.", ref("UInt64", "!")},
            {"lastError", "Why the last write failed; null when it did not.", ref("String")}};
    }

    void directives() {
        schema_.add(TypeKind::object, "DirectiveMetadata", "Who a directive is.").fields = {
            {"name", {}, ref("String", "!")},
            {"labels", {}, ref("StringMap")},
            {"generation", "Of the spec, from 1.", ref("UInt64")},
            {"uid", {}, ref("String")}};
        Type& status = schema_.add(TypeKind::object, "DirectiveStatus", "How a directive fares on one agent.");
        status.fields = {{"directive", "Kind and name.", ref("String", "!")},
                         {"uid", {}, ref("String")},
                         {"generation", {}, ref("UInt64", "!")},
                         {"node", {}, ref("String", "!")},
                         {"state", {}, ref("DirectiveState", "!")},
                         {"reason", "Of degraded, expired and rejected.", ref("String")},
                         {"since", "When it came into this state, ns since 1970, UTC.", ref("UInt64", "!")},
                         {"ends", "When it will end by time, likewise; null: not by time.", ref("UInt64")}};
        for (const char* count : {"matched", "sampledOut", "limited", "sent", "bytes", "lost"})
            status.fields.push_back({count, {}, ref("UInt64")});
        Type& standing = schema_.add(TypeKind::object, "DirectiveStanding", "How a directive fares on all agents that it means.");
        standing.fields = {{"revision", "Of its document.", ref("UInt64", "!")},
                           {"summary", "For people.", ref("String", "!")},
                           {"settled", "Every agent has it.", ref("Boolean", "!")},
                           {"good", "And all are active or have ended by themselves.", ref("Boolean", "!")},
                           {"agents", "That are meant.", ref("UInt64", "!")},
                           {"behind", "Have said nothing yet of this generation.", ref("UInt64", "!")},
                           {"states", "Agents by state.", ref("Json", "!")},
                           {"reasons", "Names of agents by reason.", ref("Json", "!")}};
        for (const char* count : {"matched", "sent", "bytes", "lost"}) standing.fields.push_back({count, {}, ref("UInt64", "!")});
        standing.fields.push_back({"nodes", "What each agent said.", ref("DirectiveStatus", "![!")});
        schema_.add(TypeKind::object, "Directive", "A document that steers agents.").fields = {
            {"apiVersion", {}, ref("String", "!")},
            {"kind", {}, ref("DirectiveKind", "!")},
            {"metadata", {}, ref("DirectiveMetadata", "!")},
            {"spec", "As the document has it, defaults shown.", ref("Json", "!")},
            {"signature", {}, ref("Json")},
            {"status", {}, ref("DirectiveStanding", "!")}};
        connection("Directive", "Directive");
        schema_.add(TypeKind::object, "AppliedDirective", "What applying a document did.").fields = {
            {"change", {}, ref("Change", "!")}, {"directive", {}, ref("Directive", "!")}};
    }

    void nodes() {
        Type& numbers = schema_.add(TypeKind::object, "NodeNumbers", "Totals since an agent began, and what is now.");
        for (const auto& [name, doc] : {std::pair{"packets", "Parsed."},
                                        {"packetBytes", ""},
                                        {"flows", "Conversations now."},
                                        {"sockets", "Local sockets followed now."},
                                        {"recordsMade", ""},
                                        {"recordsPublished", "The bus has them."},
                                        {"bytesPublished", ""},
                                        {"recordsLost", ""},
                                        {"recordsWaiting", "For the bus, in memory or on disk."},
                                        {"spooledBytes", ""},
                                        {"eventsLost", "The kernel found its buffer full."},
                                        {"lag", "Nanoseconds from a packet to its turn, the latest."},
                                        {"cpu", "Thousandths of one core."},
                                        {"memory", "Bytes resident."},
                                        {"recordsPerSecond", "Made."},
                                        {"bytesPerSecond", "Published."}})
            numbers.fields.push_back({name, doc, ref("UInt64")});
        Type& node = schema_.add(TypeKind::object, "Node", "An agent, as its last status has it.");
        node.fields = {{"name", {}, ref("String", "!")},
                       {"instance", "One life of the agent.", ref("String")},
                       {"version", {}, ref("String")},
                       {"kernel", {}, ref("String")},
                       {"machine", "Its boot: two agents with one are on one machine.", ref("String")},
                       {"cgroup", "What it watches; empty: all of the machine.", ref("String")},
                       {"labels", {}, ref("StringMap")},
                       {"capabilities", {}, ref("String", "[!")},
                       {"problems", "What someone should know.", ref("String", "[!")},
                       {"started", "By its own clock, ns since 1970, UTC.", ref("UInt64")},
                       {"sent", "When it sent this, likewise.", ref("UInt64")},
                       {"leaving", "It ended in good order.", ref("Boolean")},
                       {"age", "Nanoseconds since this was heard.", ref("UInt64", "!")},
                       {"lost", "Nothing was heard for too long.", ref("Boolean", "!")},
                       {"clockSkew", "Nanoseconds its clock is ahead of ours.", ref("Int64", "!")},
                       {"namesakes", "Instances of other agents that are alive under its name.", ref("String", "[!")},
                       {"numbers", {}, ref("NodeNumbers")},
                       {"directives", {}, ref("DirectiveStatus", "[!")}};
        connection("Node", "Node");
    }

    Schema& schema_;
};

}  // namespace

const Schema& fabric_schema() {
    static const std::unique_ptr<const Schema> schema = [] {
        auto made = std::make_unique<Schema>();
        Maker(*made).make();
        return made;
    }();
    return *schema;
}

}  // namespace cvf::graphql
