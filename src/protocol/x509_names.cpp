#include "protocol/x509_names.h"

#include "protocol/digest.h"
#include "protocol/x509_der.h"

namespace cvf::protocol::x509 {

namespace {

struct OidName {
    std::string_view oid;  // content octets
    std::string_view name;
};

template <size_t n>
std::string_view find(const OidName (&names)[n], Bytes oid) {
    const std::string_view key = decode::as_text(oid);
    for (const OidName& entry : names)
        if (entry.oid == key) return entry.name;
    return {};
}

using namespace std::string_view_literals;

// Attribute types: RFC 4514 section 3's, then those that certificates use beside them, by their usual short names.
constexpr OidName attributes[] = {
    {"\x55\x04\x03"sv, "CN"},
    {"\x55\x04\x0a"sv, "O"},
    {"\x55\x04\x0b"sv, "OU"},
    {"\x55\x04\x06"sv, "C"},
    {"\x55\x04\x07"sv, "L"},
    {"\x55\x04\x08"sv, "ST"},
    {"\x55\x04\x09"sv, "STREET"},
    {"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"sv, "DC"},
    {"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"sv, "UID"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"sv, "emailAddress"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02"sv, "unstructuredName"},
    {"\x55\x04\x05"sv, "serialNumber"},
    {"\x55\x04\x04"sv, "SN"},
    {"\x55\x04\x2a"sv, "GN"},
    {"\x55\x04\x2b"sv, "initials"},
    {"\x55\x04\x2c"sv, "generationQualifier"},
    {"\x55\x04\x0c"sv, "title"},
    {"\x55\x04\x0d"sv, "description"},
    {"\x55\x04\x0f"sv, "businessCategory"},
    {"\x55\x04\x11"sv, "postalCode"},
    {"\x55\x04\x12"sv, "postOfficeBox"},
    {"\x55\x04\x29"sv, "name"},
    {"\x55\x04\x2e"sv, "dnQualifier"},
    {"\x55\x04\x41"sv, "pseudonym"},
    {"\x55\x04\x61"sv, "organizationIdentifier"},
    {"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01"sv, "jurisdictionL"},
    {"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02"sv, "jurisdictionST"},
    {"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03"sv, "jurisdictionC"},
};

constexpr OidName signature_names[] = {
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"sv, "SHA256-RSA"},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x02"sv, "ECDSA-SHA256"},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x03"sv, "ECDSA-SHA384"},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x04"sv, "ECDSA-SHA512"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"sv, "SHA1-RSA"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"sv, "SHA384-RSA"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"sv, "SHA512-RSA"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e"sv, "SHA224-RSA"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"sv, "MD5-RSA"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02"sv, "MD2-RSA"},
    {"\x2b\x0e\x03\x02\x1d"sv, "SHA1-RSA"},
    {"\x2a\x86\x48\xce\x3d\x04\x01"sv, "ECDSA-SHA1"},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x01"sv, "ECDSA-SHA224"},
    {"\x2a\x86\x48\xce\x38\x04\x03"sv, "DSA-SHA1"},
    {"\x60\x86\x48\x01\x65\x03\x04\x03\x01"sv, "DSA-SHA224"},
    {"\x60\x86\x48\x01\x65\x03\x04\x03\x02"sv, "DSA-SHA256"},
    {"\x2b\x65\x70"sv, "Ed25519"},
    {"\x2b\x65\x71"sv, "Ed448"},
    {"\x60\x86\x48\x01\x65\x03\x04\x03\x11"sv, "ML-DSA-44"},
    {"\x60\x86\x48\x01\x65\x03\x04\x03\x12"sv, "ML-DSA-65"},
    {"\x60\x86\x48\x01\x65\x03\x04\x03\x13"sv, "ML-DSA-87"},
    {"\x2a\x81\x1c\xcf\x55\x01\x83\x75"sv, "SM2-SM3"},
};

constexpr OidName hash_names[] = {
    {"\x60\x86\x48\x01\x65\x03\x04\x02\x01"sv, "SHA256"}, {"\x60\x86\x48\x01\x65\x03\x04\x02\x02"sv, "SHA384"},
    {"\x60\x86\x48\x01\x65\x03\x04\x02\x03"sv, "SHA512"}, {"\x2b\x0e\x03\x02\x1a"sv, "SHA1"},
    {"\x60\x86\x48\x01\x65\x03\x04\x02\x04"sv, "SHA224"},
};

constexpr OidName key_names[] = {
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv, "RSA"},
    {"\x2a\x86\x48\xce\x3d\x02\x01"sv, "ECDSA"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"sv, "RSAPSS"},
    {"\x2b\x65\x70"sv, "Ed25519"},
    {"\x2b\x65\x71"sv, "Ed448"},
    {"\x2b\x65\x6e"sv, "X25519"},
    {"\x2b\x65\x6f"sv, "X448"},
    {"\x2a\x86\x48\xce\x38\x04\x01"sv, "DSA"},
    {"\x2a\x86\x48\xce\x3e\x02\x01"sv, "DH"},
    {"\x60\x86\x48\x01\x65\x03\x04\x03\x11"sv, "ML-DSA-44"},
    {"\x60\x86\x48\x01\x65\x03\x04\x03\x12"sv, "ML-DSA-65"},
    {"\x60\x86\x48\x01\x65\x03\x04\x03\x13"sv, "ML-DSA-87"},
};

constexpr struct {
    std::string_view oid;
    Curve curve;
} curves[] = {
    {"\x2a\x86\x48\xce\x3d\x03\x01\x07"sv, {"secp256r1", 256}},
    {"\x2b\x81\x04\x00\x22"sv, {"secp384r1", 384}},
    {"\x2b\x81\x04\x00\x23"sv, {"secp521r1", 521}},
    {"\x2b\x81\x04\x00\x21"sv, {"secp224r1", 224}},
    {"\x2a\x86\x48\xce\x3d\x03\x01\x01"sv, {"secp192r1", 192}},
    {"\x2b\x81\x04\x00\x0a"sv, {"secp256k1", 256}},
    {"\x2b\x24\x03\x03\x02\x08\x01\x01\x07"sv, {"brainpoolP256r1", 256}},
    {"\x2b\x24\x03\x03\x02\x08\x01\x01\x0b"sv, {"brainpoolP384r1", 384}},
    {"\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"sv, {"brainpoolP512r1", 512}},
    {"\x2a\x81\x1c\xcf\x55\x01\x82\x2d"sv, {"sm2p256v1", 256}},
};

constexpr size_t max_parts = 64;

void append_utf8(uint32_t c, std::string& out) {
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xc0 | c >> 6);
        out += static_cast<char>(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xe0 | c >> 12);
        out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
        out += static_cast<char>(0x80 | (c & 0x3f));
    } else {
        out += static_cast<char>(0xf0 | c >> 18);
        out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
        out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
        out += static_cast<char>(0x80 | (c & 0x3f));
    }
}

// RFC 4514 2.4.
void append_escaped(std::string_view value, std::string& out) {
    for (size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        switch (c) {
            case '"':
            case '+':
            case ',':
            case ';':
            case '<':
            case '>':
            case '\\':
                out += '\\';
                out += c;
                break;
            case '\0':
                out += "\\00";
                break;
            case ' ':
                if (i == 0 || i + 1 == value.size()) out += '\\';
                out += c;
                break;
            case '#':
                if (i == 0) out += '\\';
                out += c;
                break;
            default:
                out += c;
        }
    }
}

// RFC 3629 4.
bool is_utf8(Bytes bytes) {
    for (size_t i = 0; i < bytes.size();) {
        const uint8_t lead = bytes[i++];
        if (lead < 0x80) continue;
        const size_t more = lead >= 0xc2 && lead < 0xe0   ? 1
                            : lead >= 0xe0 && lead < 0xf0 ? 2
                            : lead >= 0xf0 && lead < 0xf5 ? 3
                                                          : 0;
        if (more == 0) return false;
        if (bytes.size() - i < more) return false;
        for (size_t n = 0; n < more; ++n, ++i) {
            uint8_t low = 0x80, high = 0xbf;
            if (n == 0 && lead == 0xe0) low = 0xa0;
            if (n == 0 && lead == 0xed) high = 0x9f;
            if (n == 0 && lead == 0xf0) low = 0x90;
            if (n == 0 && lead == 0xf4) high = 0x8f;
            if (bytes[i] < low || bytes[i] > high) return false;
        }
    }
    return true;
}

// One AttributeTypeAndValue as text; the plain value goes to `out` where a field has its own place for it.
void read_attribute(Bytes content, std::string& text, Name& out) {
    DerReader r(content);
    Element type, value;
    if (!r.next(type) || type.tag != tag::oid || !r.next(value)) return;
    const std::string_view name = find(attributes, type.content);
    if (name.empty()) {
        // A type without a short name: its value in the encoded form.
        text += dotted(type.content);
        text += "=#";
        const size_t at = text.size();
        const Bytes shown = value.whole.first(std::min(value.whole.size(), Certificate::max_text / 4));
        text.resize(at + shown.size() * 2);
        write_hex(text.data() + at, shown);
        return;
    }
    std::string plain;
    append_string(value.tag, value.content.first(std::min(value.content.size(), Certificate::max_text)), plain);
    text += name;
    text += '=';
    append_escaped(plain, text);
    if (name == "CN" && out.common_names.size() < max_parts) {
        out.common_names.push_back(std::move(plain));
    } else if (name == "O" && out.organizations.size() < max_parts) {
        out.organizations.push_back(std::move(plain));
    }
}

}  // namespace

Name read_name(Bytes sequence) {
    Name out;
    std::string parts[max_parts];
    size_t count = 0;
    size_t size = 0;
    DerReader names(sequence);
    Element rdn;
    while (count < max_parts && size < Certificate::max_text && names.next(rdn)) {
        if (rdn.tag != tag::set) break;
        std::string& part = parts[count];
        DerReader attribute_set(rdn.content);
        Element attribute;
        while (part.size() < Certificate::max_text && attribute_set.next(attribute)) {
            const size_t before = part.size();
            if (before > 0) part += '+';
            const size_t begin = part.size();
            read_attribute(attribute.content, part, out);
            if (part.size() == begin) part.resize(before);  // it could not be read
        }
        size += part.size() + 1;
        if (!part.empty()) ++count;
    }
    // RFC 4514 2.1: the last relative name comes first.
    out.text.reserve(size);
    for (size_t i = count; i-- > 0;) {
        out.text += parts[i];
        if (i > 0) out.text += ',';
    }
    return out;
}

void append_string(uint8_t type, Bytes content, std::string& out) {
    switch (type) {
        case tag::bmp_string:
            for (size_t i = 0; i + 1 < content.size(); i += 2) {
                uint32_t c = decode::load_be16(content.data() + i);
                if (c >= 0xd800 && c < 0xdc00 && i + 3 < content.size()) {
                    const uint32_t low = decode::load_be16(content.data() + i + 2);
                    if (low >= 0xdc00 && low < 0xe000) {
                        c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
                        i += 2;
                    }
                }
                append_utf8(c, out);
            }
            return;
        case tag::universal_string:
            for (size_t i = 0; i + 3 < content.size(); i += 4) append_utf8(decode::load_be32(content.data() + i), out);
            return;
        case tag::t61_string:
            // In practice UTF-8 under the wrong tag, or Latin-1. What is well-formed UTF-8 with a letter beyond ASCII in it is
            // hardly ever anything else.
            if (is_utf8(content)) {
                out += decode::as_text(content);
            } else {
                for (const uint8_t c : content) append_utf8(c, out);
            }
            return;
        default:
            out += decode::as_text(content);
            return;
    }
}

std::string dotted(Bytes oid) {
    std::string out;
    uint64_t value = 0;
    bool first = true;
    for (const uint8_t byte : oid) {
        if (out.size() > 128) break;
        if (value > UINT64_MAX >> 7) return out;
        value = value << 7 | (byte & 0x7f);
        if (byte & 0x80) continue;
        if (first) {
            const uint64_t root = value < 80 ? value / 40 : 2;
            out = std::to_string(root) + '.' + std::to_string(value - root * 40);
            first = false;
        } else {
            out += '.';
            out += std::to_string(value);
        }
        value = 0;
    }
    return out;
}

std::string_view signature_name(Bytes oid) {
    return find(signature_names, oid);
}
std::string_view hash_name(Bytes oid) {
    return find(hash_names, oid);
}
std::string_view key_name(Bytes oid) {
    return find(key_names, oid);
}

Curve curve(Bytes oid) {
    const std::string_view key = decode::as_text(oid);
    for (const auto& entry : curves)
        if (entry.oid == key) return entry.curve;
    return {{}, 0};
}

}  // namespace cvf::protocol::x509
