#include "protocol/dns_codes.h"

#include <cstddef>

namespace cvf::protocol {

namespace {

// By number from 0; IANA "Resource Record (RR) TYPEs".
constexpr std::string_view low_types[] = {
    "",        "A",          "NS",    "MD",         "MF",   "CNAME",  "SOA",   "MB",   "MG",     "MR",       "NULL",   "WKS",
    "PTR",     "HINFO",      "MINFO", "MX",         "TXT",  "RP",     "AFSDB", "X25",  "ISDN",   "RT",       "NSAP",   "NSAP-PTR",
    "SIG",     "KEY",        "PX",    "GPOS",       "AAAA", "LOC",    "NXT",   "EID",  "NIMLOC", "SRV",      "ATMA",   "NAPTR",
    "KX",      "CERT",       "A6",    "DNAME",      "SINK", "OPT",    "APL",   "DS",   "SSHFP",  "IPSECKEY", "RRSIG",  "NSEC",
    "DNSKEY",  "DHCID",      "NSEC3", "NSEC3PARAM", "TLSA", "SMIMEA", "",      "HIP",  "NINFO",  "RKEY",     "TALINK", "CDS",
    "CDNSKEY", "OPENPGPKEY", "CSYNC", "ZONEMD",     "SVCB", "HTTPS",  "DSYNC", "HHIT", "BRID"};

constexpr std::string_view tested_types[] = {"SPF", "UINFO", "UID", "GID", "UNSPEC", "NID", "L32", "L64", "LP", "EUI48", "EUI64"};

constexpr std::string_view query_types[] = {"TKEY", "TSIG", "IXFR", "AXFR",     "MAILB",   "MAILA",  "ANY", "URI",
                                            "CAA",  "AVC",  "DOA",  "AMTRELAY", "RESINFO", "WALLET", "CLA", "IPN"};

constexpr std::string_view op_codes[] = {"QUERY", "IQUERY", "STATUS", "", "NOTIFY", "UPDATE", "DSO"};

constexpr std::string_view response_codes[] = {"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",   "REFUSED",
                                               "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",  "DSOTYPENI",
                                               "",         "",        "",         "",         "BADVERS",  "BADKEY",
                                               "BADTIME",  "BADMODE", "BADNAME",  "BADALG",   "BADTRUNC", "BADCOOKIE"};

// RFC 8914 and later registrations.
constexpr std::string_view extended_errors[] = {"Other",
                                                "Unsupported DNSKEY Algorithm",
                                                "Unsupported DS Digest Type",
                                                "Stale Answer",
                                                "Forged Answer",
                                                "DNSSEC Indeterminate",
                                                "DNSSEC Bogus",
                                                "Signature Expired",
                                                "Signature Not Yet Valid",
                                                "DNSKEY Missing",
                                                "RRSIGs Missing",
                                                "No Zone Key Bit Set",
                                                "NSEC Missing",
                                                "Cached Error",
                                                "Not Ready",
                                                "Blocked",
                                                "Censored",
                                                "Filtered",
                                                "Prohibited",
                                                "Stale NXDOMAIN Answer",
                                                "Not Authoritative",
                                                "Not Supported",
                                                "No Reachable Authority",
                                                "Network Error",
                                                "Invalid Data",
                                                "Signature Expired before Valid",
                                                "Too Early",
                                                "Unsupported NSEC3 Iterations Value",
                                                "Unable to conform to policy",
                                                "Synthesized",
                                                "Invalid Query Type"};

template <size_t N>
constexpr std::string_view at(const std::string_view (&names)[N], size_t index) {
    return index < N ? names[index] : std::string_view();
}

static_assert(at(low_types, 16) == "TXT" && at(low_types, 28) == "AAAA" && at(low_types, 33) == "SRV" &&
              at(low_types, 41) == "OPT");
static_assert(at(low_types, 46) == "RRSIG" && at(low_types, 52) == "TLSA" && at(low_types, 59) == "CDS" &&
              at(low_types, 65) == "HTTPS");
static_assert(at(tested_types, 108 - 99) == "EUI48" && at(query_types, 257 - 249) == "CAA" &&
              at(query_types, 252 - 249) == "AXFR");
static_assert(at(extended_errors, 15) == "Blocked" && at(extended_errors, 24) == "Invalid Data" &&
              at(response_codes, 23) == "BADCOOKIE");

}  // namespace

std::string_view dns_type_name(uint16_t type) {
    if (type < 99) return at(low_types, type);
    if (type < 110) return at(tested_types, type - 99u);
    if (type == 128) return "NXNAME";
    if (type >= 249 && type < 280) return at(query_types, type - 249u);
    if (type == 32768) return "TA";
    if (type == 32769) return "DLV";
    return {};
}

std::string_view dns_class_name(uint16_t klass) {
    switch (klass) {
        case 1:
            return "IN";
        case 3:
            return "CH";
        case 4:
            return "HS";
        case 254:
            return "NONE";
        case 255:
            return "ANY";
        default:
            return {};
    }
}

std::string_view dns_op_code_name(uint8_t op_code) {
    return at(op_codes, op_code);
}
std::string_view dns_response_code_name(uint16_t code) {
    return at(response_codes, code);
}
std::string_view dns_extended_error_name(uint16_t code) {
    return at(extended_errors, code);
}

}  // namespace cvf::protocol
