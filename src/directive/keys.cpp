#include "directive/keys.h"

#include "directive/checks.h"
#include "directive/values.h"
#include "filter/filter.h"

namespace cvf::directive {

namespace {

// Kinds of directive, and sinks, as bits of variants.
constexpr uint32_t M = 1, F = 2, C = 4, P = 8, T = 16;
constexpr uint32_t bus = 1, file = 2, otlp = 4, ipfix = 8, webhook = 16;
constexpr uint32_t all = every_variant, none = 0;

constexpr uint64_t ns = 1, ms = 1'000'000 * ns, second = 1'000 * ms, hour = 3'600 * second, day = 24 * hour;

constexpr std::string_view versions[] = {api_version};
constexpr std::string_view taps[] = {"endpoint", "wire"};
constexpr std::string_view sums[] = {"count", "bytes", "packets", "latency"};
constexpr std::string_view ways[] = {"flow", "packet"};
constexpr std::string_view transports[] = {"udp", "tcp"};

constexpr char dns_name[] = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
constexpr char label_key[] =
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
constexpr char label_value[] = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
constexpr char one_line[] = "^[^\\x00-\\x1f\\x7f]*$";
constexpr char uuid[] = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
constexpr char key_id_pattern[] = "^ed25519:[0-9a-f]{16}$";
constexpr char signature_pattern[] = "^[A-Za-z0-9+/]{86}==$";

constexpr Shape choice(std::span<const std::string_view> choices) {
    return {.form = Form::choice, .choices = choices};
}
constexpr Shape object(const Group& group) {
    return {.form = Form::object, .group = &group};
}
constexpr Shape number(Form form, uint64_t least, uint64_t most) {
    return {.form = form, .least = least, .most = most};
}
constexpr Shape line(const char* pattern, std::string_view says, uint64_t most) {
    return {.form = Form::text, .pattern = pattern, .says = says, .least = 1, .most = most};
}
constexpr Shape name_shape() {
    Shape shape = line(dns_name, "a name; lower-case letters, digits, '-' and '.' make one", 253);
    shape.suggest = suggest_name;
    return shape;
}
// Names, in which '*' stands for any characters.
constexpr Shape names() {
    return {.form = Form::list, .pattern = one_line, .says = "a name on one line", .least = 1, .most = 253};
}
constexpr Shape labels(const char* value_pattern, uint64_t most) {
    return {.form = Form::map,
            .pattern = value_pattern,
            .key_pattern = label_key,
            .says = "a label's value; letters, digits, '-', '_' and '.' make one",
            .least = 0,
            .most = most};
}
constexpr Shape expression() {
    return {.form = Form::text, .least = 0, .most = filter::max_source_bytes, .check = check_expression};
}
constexpr Shape checked(std::optional<Fault> (*check)(std::string_view), uint64_t most) {
    return {.form = Form::text, .pattern = one_line, .says = "one line of text", .least = 1, .most = most, .check = check};
}
constexpr Shape checked_list(std::optional<Fault> (*check)(std::string_view), size_t most_items) {
    return {.form = Form::list, .least = 1, .most = 128, .most_items = most_items, .check = check};
}

template <auto member>
constexpr Key row(std::string_view name, uint32_t variants, uint32_t required, Shape shape, std::string_view fallback,
                  std::string_view doc) {
    return {name, variants, required, shape, fallback, doc, read_member<member>, write_member<member>};
}

void read_version(Reader& reader, const Node& node, const Key& key, void*) {
    reader.choice(node, key.shape);
}
bool write_version(const Key&, const void*, uint32_t, bool, Node& out) {
    out = Node::text(std::string(api_version));
    return true;
}

constexpr Key metadata_keys[] = {
    row<&Metadata::name>("name", all, all, name_shape(), "", "Names the directive among those of its kind (DNS-1123 subdomain)"),
    row<&Metadata::labels>("labels", all, none, labels(label_value, 63), "", "Labels to find it by"),
    row<&Metadata::generation>("generation", all, none, number(Form::count, 1, 1'000'000'000'000), "",
                               "Counts changes of the spec; given by who stores the directive"),
    row<&Metadata::uid>("uid", all, none, line(uuid, "a UUID in lower case", 36), "",
                        "This directive from creation to deletion; given by who stores it"),
};

constexpr Key selector_keys[] = {
    row<&Selector::nodes>("nodes", all, none, names(), "[\"*\"]", "Nodes by name"),
    row<&Selector::node_labels>("nodeLabels", all, none, labels(one_line, 253), "",
                                "Labels a node must have (its option `labels`)"),
    row<&Selector::namespaces>("namespaces", M | F | C | P, none, names(), "", "Kubernetes namespaces"),
    row<&Selector::pods>("pods", M | F | C | P, none, names(), "", "Pods by name"),
    row<&Selector::pod_labels>("podLabels", M | F | C | P, none, labels(one_line, 253), "",
                               "Labels of the pod, or of a container outside Kubernetes"),
    row<&Selector::containers>("containers", M | F | C | P, none, names(), "",
                               "Containers by name, or by the first 12 or more digits of the id"),
    row<&Selector::processes>("processes", M | F | C | P, none, names(), "", "File names of executables; with a '/', paths"),
    row<&Selector::interfaces>("interfaces", M | F | C, none, names(), "", "Devices of the wire tap"),
};

constexpr Key limits_keys[] = {
    row<&Limits::duration>("duration", all, none, number(Form::duration, second, 365 * day), "",
                           "Ends so long after a node has put it in force"),
    row<&Limits::bytes>("bytes", M | F | C | P, none, number(Form::size, 1, 1ull << 50), "", "Ends after so much, on each node"),
    row<&Limits::packets>("packets", C, none, number(Form::count, 1, 1'000'000'000'000), "",
                          "Ends after so many packets, on each node"),
    row<&Limits::records>("records", M | F | P, none, number(Form::count, 1, 1'000'000'000'000), "",
                          "Ends after so many records, on each node"),
    row<&Limits::rate>("rate", M | F | C | P, none, number(Form::rate, 1024, 1ull << 40), "",
                       "No more than that, on each node; what is over is counted and left out"),
    row<&Limits::record_rate>("recordRate", M | F | P, none, number(Form::frequency, 1, 1'000'000'000), "",
                              "No more than that, on each node; what is over is counted and left out"),
};

constexpr Key aggregate_keys[] = {
    row<&Aggregate::window>("window", all, none, number(Form::duration, second, day), "10s",
                            "Length of a window, aligned to the clock"),
    row<&Aggregate::by>("by", all, none, checked_list(check_group_key, 16), "",
                        "Fields whose values make a group; without, all is one"),
    row<&Aggregate::values>("values", all, none, {.form = Form::choices, .choices = sums, .fewest_items = 1, .most_items = 4},
                            "[count]", "What is summed; latency is a histogram of event.duration"),
};

constexpr Key output_keys[] = {
    row<&Output::sink>("sink", all, all, choice(sink_names), "", "Where to"),
    row<&Output::path>("path", file, file, checked(check_path, 1024), "",
                       "Under the node's `output-directory`; `.zst` compresses; of a Capture a pcapng file"),
    row<&Output::rotate_size>("rotateSize", file, none, number(Form::size, 4096, 1ull << 50), "never",
                              "Start a new file at this size"),
    row<&Output::rotate_age>("rotateAge", file, none, number(Form::duration, second, 365 * day), "never",
                             "Start a new file at this age"),
    row<&Output::keep>("keep", file, none, number(Form::count, 1, 1'000'000), "all", "Rotated files to keep"),
    row<&Output::url>("url", otlp | webhook, otlp | webhook, checked(check_url, 2048), "", "http or https"),
    row<&Output::address>("address", ipfix, ipfix, checked(check_address, 300), "", "HOST:PORT of the collector"),
    row<&Output::transport>("transport", ipfix, none, choice(transports), "udp", "How to reach it"),
};

constexpr Key spec_keys[] = {
    row<&Spec::selector>("selector", all, none, object(selector_group), "everything", "Where to look"),
    row<&Spec::tap>("tap", M | F, none, choice(taps), "endpoint",
                    "endpoint: traffic of local sockets; wire: also what no local socket owns"),
    row<&Spec::types>("types", M | P, none, checked_list(check_record_type, 64), "all", "Record types"),
    row<&Spec::filter>("filter", M | F | C | P, none, expression(), "every record",
                       "Expression over the record's fields; of a Capture over those of the conversation"),
    row<&Spec::fields>("fields", M | F | P, none, checked_list(check_field_pattern, 256), "all",
                       "Fields to write, as keys or prefixes"),
    row<&Spec::sample>(
        "sample", M | F | C | P, none, {.form = Form::sample}, "1/1",
        "One conversation in so many, the same ones on every node; or about so many records a second on each node"),
    row<&Spec::aggregate>("aggregate", M | F, none, object(aggregate_group), "", "Sums over windows instead of single records"),
    row<&Spec::limits>("limits", all, C | P, object(limits_group), "none",
                       "When it ends, and how much of it there may be; Capture and Plaintext need an end"),
    row<&Spec::output>("output", all, none, {.form = Form::objects, .fewest_items = 1, .most_items = 8, .group = &output_group},
                       "[{sink: bus}]", "Where to; everything goes to each"),
    row<&Spec::pcap_filter>("pcapFilter", C, none, line(one_line, "one line of text", 4096), "every frame",
                            "pcap-filter(7), run in the kernel"),
    row<&Spec::snaplen>("snaplen", C, none, number(Form::size, 64, 262'144), "256KiB", "Bytes of each frame to keep"),
    row<&Spec::last>("last", C, none, number(Form::duration, ms, hour), "", "Begin so long ago, as far as a node looked back"),
    row<&Spec::trigger>("trigger", C, none, expression(), "at once",
                        "Keep the conversations that make a record for which this is true"),
    row<&Spec::by>("by", C, none, choice(ways), "flow", "What a sample counts: conversations or single packets"),
    row<&Spec::content>("content", P, none, number(Form::size, 1, 1 << 20), "none",
                        "Decrypted bytes to keep of each direction of a message, beside the records"),
    row<&Spec::interval>("interval", T, none, number(Form::duration, second, hour), "10s", "Time between a node's reports"),
};

constexpr Key signature_keys[] = {
    row<&Signature::key>("key", all, all, line(key_id_pattern, "the id of a key, as ed25519:0123456789abcdef", 24), "",
                         "Id of the key that signed"),
    row<&Signature::issued>("issued", all, all, {.form = Form::time}, "", "When it was signed"),
    row<&Signature::expires>("expires", all, all, {.form = Form::time}, "", "When the directive ends at the latest"),
    row<&Signature::value>("value", all, all, line(signature_pattern, "64 bytes in base64", 88), "", "Ed25519 signature, base64"),
};

constexpr Key document_keys[] = {
    {"apiVersion", all, all, choice(versions), "", "cvf/v1", read_version, write_version},
    row<&Directive::kind>("kind", all, all, choice(kind_names), "", "Metadata, Flow, Capture, Plaintext or Topology"),
    row<&Directive::metadata>("metadata", all, all, object(metadata_group), "", "What it is called"),
    row<&Directive::spec>("spec", all, all, object(spec_group), "", "What is asked"),
    row<&Directive::signature>("signature", all, none, object(signature_group), "", "Who vouches for it"),
};

}  // namespace

constinit const Group metadata_group{"metadata", metadata_keys};
constinit const Group selector_group{"selector", selector_keys};
constinit const Group limits_group{"limits", limits_keys};
constinit const Group aggregate_group{"aggregate", aggregate_keys};
constinit const Group output_group{"output", output_keys, "sink", sink_names};
constinit const Group spec_group{"spec", spec_keys};
constinit const Group signature_group{"signature", signature_keys};
constinit const Group document_group{"document", document_keys, "kind", kind_names};

uint32_t sinks_of(Kind kind) {
    switch (kind) {
        case Kind::metadata:
        case Kind::flow:
            return bus | file | otlp | ipfix | webhook;
        case Kind::plaintext:
            return bus | file;  // what was secret goes to no third party
        case Kind::capture:
            return bus | file;
        case Kind::topology:
            return bus;
    }
    return 0;
}

Node write_group(const Group& group, const void* object, uint32_t variant, bool everything) {
    Node node = Node::map();
    // Where the group chooses its own variant, the chooser says it: its key is the first that is written.
    if (!group.chosen_by.empty()) {
        for (const Key& key : group.keys) {
            if (key.name != group.chosen_by) continue;
            Node chooser;
            key.write(key, object, every_variant, true, chooser);
            for (size_t i = 0; i < group.variants.size(); ++i)
                if (group.variants[i] == chooser.scalar) variant = 1u << i;
        }
    }
    for (const Key& key : group.keys) {
        Node value;
        if ((key.variants & variant) != 0 && key.write(key, object, variant, everything, value))
            node.add(key.name, std::move(value));
    }
    return node;
}

}  // namespace cvf::directive
