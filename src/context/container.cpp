#include "context/container.h"

#include <algorithm>
#include <boost/json.hpp>

namespace cvf::context {

namespace {

namespace json = boost::json;

// Parses into a resource that is given back with the document: a hostile one costs its memory only while it is read.
class Document {
 public:
    explicit Document(std::string_view text) {
        if (text.size() > max_document_bytes) return;
        json::error_code error;
        json::parse_options options;
        options.max_depth = 32;
        value_ = json::parse({text.data(), text.size()}, error, &memory_, options);
        if (error) value_ = nullptr;
    }
    const json::value& root() const { return value_; }

 private:
    json::monotonic_resource memory_;
    json::value value_ = json::value(json::storage_ptr(&memory_));
};

const json::value* member(const json::value& parent, std::string_view key) {
    const json::object* object = parent.if_object();
    return object ? object->if_contains({key.data(), key.size()}) : nullptr;
}

std::string_view as_text(const json::value* value, size_t limit = max_name_bytes) {
    const json::string* text = value ? value->if_string() : nullptr;
    return text && text->size() <= limit ? std::string_view(text->data(), text->size()) : std::string_view();
}

std::string_view text_of(const json::value& parent, std::string_view key, size_t limit = max_name_bytes) {
    return as_text(member(parent, key), limit);
}

void set(std::string& to, std::string_view from) {
    if (to.empty()) to = from;
}

void set_image(Container& container, std::string_view reference) {
    const ImageName image = split_image(reference);
    if (image.name.empty() || !container.image.empty()) return;
    container.image = image.name;
    if (!image.tag.empty()) container.tags.emplace_back(image.tag);
}

// What the kubelet writes as labels or annotations, under whichever runtime.
void set_pod(Container& container, const json::value& from) {
    set(container.pod_name, text_of(from, "io.kubernetes.pod.name"));
    set(container.pod_namespace, text_of(from, "io.kubernetes.pod.namespace"));
    set(container.pod_uid, text_of(from, "io.kubernetes.pod.uid"));
    set(container.k8s_container_name, text_of(from, "io.kubernetes.container.name"));
}

void set_labels(Container& container, const json::value& from) {
    const json::object* object = from.if_object();
    if (!object || !container.labels.empty()) return;
    for (const auto& [key, value] : *object) {
        if (container.labels.size() == max_labels) break;
        const json::string* text = value.if_string();
        if (!text || key.empty() || key.size() > max_label_key_bytes || text->size() > max_label_value_bytes) continue;
        container.labels.emplace_back(std::string(key), std::string(text->data(), text->size()));
    }
    std::sort(container.labels.begin(), container.labels.end());
}

}  // namespace

void merge(Container& container, Container&& more) {
    const auto take = [](auto& to, auto& from) {
        if (to.empty()) to = std::move(from);
    };
    take(container.name, more.name);
    if (container.image.empty()) {
        container.image = std::move(more.image);
        container.tags = std::move(more.tags);
    }
    take(container.labels, more.labels);
    take(container.pod_name, more.pod_name);
    take(container.pod_uid, more.pod_uid);
    take(container.pod_namespace, more.pod_namespace);
    take(container.k8s_container_name, more.k8s_container_name);
    if (container.runtime == Runtime::unknown) container.runtime = more.runtime;
}

ImageName split_image(std::string_view reference) {
    // Docker and containerd give the image's digest where it has no name.
    if (reference.starts_with("sha256:") || is_container_id(reference)) return {};
    ImageName image{reference.substr(0, reference.find('@')), {}};
    const size_t colon = image.name.rfind(':');
    // A colon before a slash is a port.
    if (colon != std::string_view::npos && image.name.find('/', colon) == std::string_view::npos) {
        image.tag = image.name.substr(colon + 1);
        image.name = image.name.substr(0, colon);
    }
    return image;
}

std::optional<Container> parse_oci_config(std::string_view text) {
    const Document document(text);
    if (!document.root().is_object()) return std::nullopt;
    Container found;
    const json::value* annotations = member(document.root(), "annotations");
    if (!annotations || !annotations->is_object()) return found;

    // containerd's CRI. A sandbox has no container name and no image of its own.
    if (const std::string_view pod = text_of(*annotations, "io.kubernetes.cri.sandbox-name"); !pod.empty()) {
        found.runtime = Runtime::containerd;
        found.pod_name = pod;
        found.pod_namespace = text_of(*annotations, "io.kubernetes.cri.sandbox-namespace");
        found.pod_uid = text_of(*annotations, "io.kubernetes.cri.sandbox-uid");
        found.k8s_container_name = text_of(*annotations, "io.kubernetes.cri.container-name");
        found.name = found.k8s_container_name;
        set_image(found, text_of(*annotations, "io.kubernetes.cri.image-name"));
    }
    // nerdctl writes its labels as annotations, its own among them.
    set(found.name, text_of(*annotations, "nerdctl/name"));

    const std::string_view manager = text_of(*annotations, "io.container.manager");
    if (manager == "libpod") found.runtime = Runtime::podman;
    if (manager == "cri-o") found.runtime = Runtime::crio;
    if (found.runtime == Runtime::crio) {
        set(found.name, text_of(*annotations, "io.kubernetes.cri-o.Name"));
        set_image(found, text_of(*annotations, "io.kubernetes.cri-o.ImageName"));
        // Labels are a JSON document within the annotation.
        if (const std::string_view labels = text_of(*annotations, "io.kubernetes.cri-o.Labels", max_document_bytes);
            !labels.empty()) {
            const Document inner(labels);
            set_labels(found, inner.root());
            set_pod(found, inner.root());
        }
    }
    set_pod(found, *annotations);
    return found;
}

std::optional<Container> parse_docker_container(std::string_view text, Runtime runtime) {
    const Document document(text);
    if (!document.root().is_object()) return std::nullopt;
    Container found;
    found.runtime = runtime;
    std::string_view name = text_of(document.root(), "Name");
    if (name.starts_with('/')) name.remove_prefix(1);
    found.name = name;
    if (const json::value* config = member(document.root(), "Config")) {
        set_image(found, text_of(*config, "Image"));
        if (const json::value* labels = member(*config, "Labels")) {
            set_labels(found, *labels);
            set_pod(found, *labels);
        }
    }
    // Podman's own documents say it here.
    set_image(found, text_of(document.root(), "ImageName"));
    return found;
}

std::optional<Container> parse_storage_containers(std::string_view text, std::string_view id) {
    const Document document(text);
    const json::array* entries = document.root().if_array();
    if (!entries) return std::nullopt;
    for (const json::value& entry : *entries) {
        if (text_of(entry, "id") != id) continue;
        Container found;
        if (const json::value* names = member(entry, "names"); names && names->is_array() && !names->get_array().empty())
            found.name = as_text(&names->get_array().front());
        // The engine's part is a JSON document within a text.
        const Document inner(text_of(entry, "metadata", max_document_bytes));
        set_image(found, text_of(inner.root(), "image-name"));
        set(found.name, text_of(inner.root(), "name"));
        set(found.pod_name, text_of(inner.root(), "pod-name"));
        return found;
    }
    return std::nullopt;
}

}  // namespace cvf::context
