#pragma once

#include <string_view>

#include "ast.h"
#include "base/expected.h"
#include "cursor.h"

namespace pollux::stacktest {

// packetdrill's dialect (google/packetdrill, parser.y), by recursive descent; [x]: may be absent.
//
//   script   = { option } [command] { event } [command]
//   option   = "--" name [ "=" value ]
//   event    = time action
//   time     = number | "+" number | "*" | number "~" number | "+" number "~" "+" number         (seconds)
//   action   = packet | call | command | code
//   packet   = ("<" | ">") [ip] (tcp | icmp)                                                    packet_parser.cc
//   ip       = "[" ("noecn"|"ect0"|"ect1"|"ce"|"ect01"|"tos" hex|"ttl" int) "]", or in ( )
//   tcp      = [ports] flags first ":" last "(" size ")" ["ack" int] ["win" int] ["urg" int] ["<" options ">"]
//   ports    = source ">" destination
//   flags    = letters of FSRPEWU, then "." for ACK; "-": none
//   options  = "..." | option { "," option }
//   option   = "nop" | "eol" | "mss" int | "wscale" int | "sackOK" | "sack" {a ":" b} | "TS" "val" int "ecr" int
//            | "FO" [hex] | "md5" hex
//   icmp     = "icmp" type [code] ["mtu" int] ["[" first ":" last "(" size ")" "]"]
//   call     = ["..." end] name "(" [expression {"," expression}] ")" "=" expression [errno] ["(" note ")"]
//   call_parser.cc command  = "`" shell "`" code     = "%{" python "}%"
//
// Not taken, and said so: UDP, GRE, MPLS, encapsulation, AccECN counts, fuzzing.
Expected<Script, ScriptError> parse(std::string_view text);

// Parts of it; they throw ScriptError. The cursor stands on < or >, on the name of a call.
PacketLine parse_packet(Cursor& cursor);
CallLine parse_call(Cursor& cursor);

}  // namespace pollux::stacktest
