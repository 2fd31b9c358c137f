#include "errors.h"

#include <array>

namespace pollux::app {
namespace {

constexpr std::array<ErrorClass, 10> kClasses{{
    {"refused", &ServiceCounters::refused,
     "the peer answered our SYN with a reset: nothing listens on that port, or a firewall rejects it (ss -ltn on the "
     "peer)"},
    {"reset", &ServiceCounters::reset,
     "the peer reset a connection that was open: its application crashed, gave up, or closed with data unread (its "
     "log)"},
    {"timeout", &ServiceCounters::timed_out,
     "no answer in time: the peer or the way to it drops packets, its accept queue is full, or it is too slow for "
     "--timeout (nstat -az TcpExtListenDrops on the peer)"},
    {"unreachable", &ServiceCounters::unreachable,
     "a router or our own address table says that there is no way to the peer (--gateway, --ip; ICMP in a --capture)"},
    {"port_exhausted", &ServiceCounters::port_exhausted,
     "no local port was free, as those of the last connections are in TIME-WAIT: more --source addresses, --close "
     "server, --on-exhaust reuse, or a shorter --set tcp.time_wait"},
    {"no_resources", &ServiceCounters::no_resources,
     "a table of ours was full: more connections were open at a time than --max-connections allows, so the peer is "
     "slower "
     "than the rate, or --set tcp.max_time_wait is too small"},
    {"aborted", &ServiceCounters::aborted, "we reset the connection, as the run ended before it did"},
    {"protocol", &ServiceCounters::protocol,
     "what came was not the protocol, or more or less than was promised (--capture shows the bytes)"},
    {"status", &ServiceCounters::bad_status,
     "the answer's HTTP status was 400 or above: the path is wrong, or the server is overloaded (curl -i the URL)"},
    {"mismatch", &ServiceCounters::mismatch,
     "the answer's bytes were not those wanted: the server or something on the way changes them, or answers differ by "
     "nature and --verify is out of place"},
}};

}  // namespace

std::span<const ErrorClass> error_classes() { return kClasses; }

}  // namespace pollux::app
