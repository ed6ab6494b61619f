#include "protocol/dns_form.h"

namespace cvf::protocol {

// The comments give RFC and section.
std::string_view dns_form(uint16_t type) {
    switch (type) {
        case 1:
            return "a";  // A: 1035 3.4.1
        case 2:          // NS
        case 3:          // MD
        case 4:          // MF
        case 5:          // CNAME
        case 7:          // MB
        case 8:          // MG
        case 9:          // MR
        case 12:         // PTR
        case 23:         // NSAP-PTR
        case 39:
            return "n";  // DNAME: 6672
        case 6:
            return "nn44444";  // SOA: 1035 3.3.13
        case 11:
            return "a1P";  // WKS: 1035 3.4.2
        case 13:
            return "ss";  // HINFO: 1035 3.3.2
        case 14:          // MINFO: 1035 3.3.7
        case 17:
            return "nn";  // RP: 1183
        case 15:          // MX: 1035 3.3.9
        case 18:          // AFSDB: 1183
        case 21:          // RT: 1183
        case 36:          // KX: 2230
        case 107:
            return "2n";  // LP: 6742
        case 16:          // TXT: 1035 3.3.14
        case 20:          // ISDN: 1183 3.2
        case 99:          // SPF: 7208
        case 258:         // AVC
        case 261:
            return "S";  // RESINFO: 9606
        case 19:
            return "s";  // X25: 1183 3.1
        case 24:         // SIG
        case 46:
            return "T114tt2nb";  // RRSIG: 4034 3
        case 25:                 // KEY
        case 48:                 // DNSKEY: 4034 2
        case 60:
            return "211b";  // CDNSKEY: 7344
        case 26:
            return "2nn";  // PX: 2163 4
        case 27:
            return "sss";  // GPOS: 1712
        case 28:
            return "A";  // AAAA: 3596
        case 29:
            return "l";  // LOC: 1876
        case 33:
            return "222n";  // SRV: 2782
        case 35:
            return "22sssn";  // NAPTR: 3403 4
        case 37:
            return "221b";  // CERT: 4398
        case 42:
            return "p";  // APL: 3123 4
        case 43:         // DS: 4034 5
        case 59:         // CDS: 7344
        case 32768:      // TA
        case 32769:
            return "211X";  // DLV: 4431
        case 44:
            return "11X";  // SSHFP: 4255
        case 47:
            return "nB";  // NSEC: 4034 4
        case 49:          // DHCID: 4701
        case 61:
            return "b";  // OPENPGPKEY: 7929
        case 50:
            return "112hzB";  // NSEC3: 5155 3
        case 51:
            return "112h";  // NSEC3PARAM: 5155 4
        case 52:            // TLSA: 6698
        case 53:
            return "111X";  // SMIMEA: 8162
        case 62:
            return "42B";  // CSYNC: 7477
        case 63:
            return "411X";  // ZONEMD: 8976
        case 64:            // SVCB: 9460
        case 65:
            return "2nv";  // HTTPS: 9460
        case 66:
            return "T12n";  // DSYNC: 9859
        case 104:           // NID: 6742
        case 106:
            return "2I";  // L64: 6742
        case 105:
            return "2a";  // L32: 6742
        case 108:         // EUI48: 7043
        case 109:
            return "e";  // EUI64: 7043
        case 249:
            return "ntt22mm";  // TKEY: 2930
        case 250:
            return "ni2m22m";  // TSIG: 8945 4.2
        case 256:
            return "22q";  // URI: 7553
        case 257:
            return "1wq";  // CAA: 8659
        default:
            return {};
    }
}

}  // namespace cvf::protocol
