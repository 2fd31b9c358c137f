#include "symbols.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace pollux::stacktest {
namespace {

struct Symbol {
  std::string_view name;
  std::int64_t value;
};
constexpr std::int64_t kSiocOutq = 0x5411;  // <linux/sockios.h>
constexpr std::int64_t kSiocAtmark = 0x8905;

#define POLLUX_SYMBOL(name) \
  Symbol { #name, name }
constexpr Symbol kErrors[] = {POLLUX_SYMBOL(EPERM),          POLLUX_SYMBOL(EINTR),        POLLUX_SYMBOL(EBADF),
                              POLLUX_SYMBOL(EAGAIN),         POLLUX_SYMBOL(EFAULT),       POLLUX_SYMBOL(EINVAL),
                              POLLUX_SYMBOL(EMFILE),         POLLUX_SYMBOL(EPIPE),        POLLUX_SYMBOL(ENOTSOCK),
                              POLLUX_SYMBOL(EDESTADDRREQ),   POLLUX_SYMBOL(EMSGSIZE),     POLLUX_SYMBOL(ENOPROTOOPT),
                              POLLUX_SYMBOL(EOPNOTSUPP),     POLLUX_SYMBOL(EAFNOSUPPORT), POLLUX_SYMBOL(EADDRINUSE),
                              POLLUX_SYMBOL(EADDRNOTAVAIL),  POLLUX_SYMBOL(ENETUNREACH),  POLLUX_SYMBOL(ECONNABORTED),
                              POLLUX_SYMBOL(ECONNRESET),     POLLUX_SYMBOL(ENOBUFS),      POLLUX_SYMBOL(EISCONN),
                              POLLUX_SYMBOL(ENOENT),         POLLUX_SYMBOL(ENOTCONN),     POLLUX_SYMBOL(ETIMEDOUT),
                              POLLUX_SYMBOL(ECONNREFUSED),   POLLUX_SYMBOL(EHOSTUNREACH), POLLUX_SYMBOL(EALREADY),
                              POLLUX_SYMBOL(EINPROGRESS),    POLLUX_SYMBOL(EPROTO),       POLLUX_SYMBOL(ENOMEM),
                              POLLUX_SYMBOL(EPROTONOSUPPORT)};
constexpr Symbol kSymbols[] = {POLLUX_SYMBOL(AF_INET),      POLLUX_SYMBOL(AF_INET6),
                               POLLUX_SYMBOL(SOCK_STREAM),  POLLUX_SYMBOL(SOCK_NONBLOCK),
                               POLLUX_SYMBOL(SOCK_CLOEXEC), POLLUX_SYMBOL(IPPROTO_TCP),
                               POLLUX_SYMBOL(IPPROTO_IP),   POLLUX_SYMBOL(IPPROTO_IPV6),
                               POLLUX_SYMBOL(SOL_SOCKET),   POLLUX_SYMBOL(SOL_IP),
                               POLLUX_SYMBOL(SOL_IPV6),     POLLUX_SYMBOL(SOL_TCP),
                               POLLUX_SYMBOL(SO_REUSEADDR), POLLUX_SYMBOL(SO_KEEPALIVE),
                               POLLUX_SYMBOL(SO_LINGER),    POLLUX_SYMBOL(SO_ERROR),
                               POLLUX_SYMBOL(SO_SNDBUF),    POLLUX_SYMBOL(SO_RCVBUF),
                               POLLUX_SYMBOL(TCP_NODELAY),  POLLUX_SYMBOL(TCP_MAXSEG),
                               POLLUX_SYMBOL(TCP_KEEPIDLE), POLLUX_SYMBOL(TCP_KEEPINTVL),
                               POLLUX_SYMBOL(TCP_KEEPCNT),  POLLUX_SYMBOL(TCP_USER_TIMEOUT),
                               POLLUX_SYMBOL(TCP_CORK),     POLLUX_SYMBOL(TCP_CONGESTION),
                               POLLUX_SYMBOL(TCP_FASTOPEN), POLLUX_SYMBOL(TCP_INFO),
                               POLLUX_SYMBOL(IP_TTL),       POLLUX_SYMBOL(IP_TOS),
                               POLLUX_SYMBOL(IPV6_TCLASS),  POLLUX_SYMBOL(IPV6_UNICAST_HOPS),
                               POLLUX_SYMBOL(SHUT_RD),      POLLUX_SYMBOL(SHUT_WR),
                               POLLUX_SYMBOL(SHUT_RDWR),    POLLUX_SYMBOL(F_GETFL),
                               POLLUX_SYMBOL(F_SETFL),      POLLUX_SYMBOL(O_RDWR),
                               POLLUX_SYMBOL(O_NONBLOCK),   POLLUX_SYMBOL(FIONREAD),
                               {"SIOCINQ", FIONREAD},       {"SIOCOUTQ", kSiocOutq},
                               {"SIOCATMARK", kSiocAtmark}, POLLUX_SYMBOL(MSG_DONTWAIT),
                               POLLUX_SYMBOL(MSG_OOB),      POLLUX_SYMBOL(MSG_NOSIGNAL),
                               POLLUX_SYMBOL(MSG_PEEK),     POLLUX_SYMBOL(MSG_MORE),
                               POLLUX_SYMBOL(MSG_FASTOPEN), POLLUX_SYMBOL(POLLIN),
                               POLLUX_SYMBOL(POLLPRI),      POLLUX_SYMBOL(POLLOUT),
                               POLLUX_SYMBOL(POLLERR),      POLLUX_SYMBOL(POLLHUP),
                               POLLUX_SYMBOL(POLLNVAL),     POLLUX_SYMBOL(POLLRDHUP),
                               POLLUX_SYMBOL(POLLRDNORM),   POLLUX_SYMBOL(POLLWRNORM)};
constexpr Symbol kInfoSymbols[] = {
    POLLUX_SYMBOL(TCP_ESTABLISHED), POLLUX_SYMBOL(TCP_SYN_SENT),    POLLUX_SYMBOL(TCP_SYN_RECV),
    POLLUX_SYMBOL(TCP_FIN_WAIT1),   POLLUX_SYMBOL(TCP_FIN_WAIT2),   POLLUX_SYMBOL(TCP_TIME_WAIT),
    POLLUX_SYMBOL(TCP_CLOSE),       POLLUX_SYMBOL(TCP_CLOSE_WAIT),  POLLUX_SYMBOL(TCP_LAST_ACK),
    POLLUX_SYMBOL(TCP_LISTEN),      POLLUX_SYMBOL(TCP_CLOSING),     POLLUX_SYMBOL(TCPI_OPT_TIMESTAMPS),
    POLLUX_SYMBOL(TCPI_OPT_SACK),   POLLUX_SYMBOL(TCPI_OPT_WSCALE), POLLUX_SYMBOL(TCP_CA_Open),
    POLLUX_SYMBOL(TCP_CA_Disorder), POLLUX_SYMBOL(TCP_CA_CWR),      POLLUX_SYMBOL(TCP_CA_Recovery),
    POLLUX_SYMBOL(TCP_CA_Loss)};
#undef POLLUX_SYMBOL

using Info = api::TcpInfo;
template <auto kMember>
std::int64_t info_number(const Info& info) {
  return static_cast<std::int64_t>(info.*kMember);
}

struct InfoRow {
  std::string_view name;
  std::int64_t (*get)(const Info& info);
};
constexpr InfoRow kInfo[] = {
    {"tcpi_state", info_number<&Info::state>},
    {"tcpi_options", info_number<&Info::options>},
    {"tcpi_ca_state", info_number<&Info::ca_state>},
    {"tcpi_retransmits", info_number<&Info::retransmits>},
    {"tcpi_probes", info_number<&Info::probes>},
    {"tcpi_backoff", info_number<&Info::backoff>},
    {"tcpi_snd_wscale", info_number<&Info::snd_wscale>},
    {"tcpi_rcv_wscale", info_number<&Info::rcv_wscale>},
    {"tcpi_rto", info_number<&Info::rto>},
    {"tcpi_ato", info_number<&Info::ato>},
    {"tcpi_rtt", info_number<&Info::rtt>},
    {"tcpi_rttvar", info_number<&Info::rttvar>},
    {"tcpi_min_rtt", info_number<&Info::min_rtt>},
    {"tcpi_snd_mss", info_number<&Info::snd_mss>},
    {"tcpi_rcv_mss", info_number<&Info::rcv_mss>},
    {"tcpi_advmss", info_number<&Info::advmss>},
    {"tcpi_pmtu", info_number<&Info::pmtu>},
    {"tcpi_snd_cwnd", info_number<&Info::snd_cwnd>},
    {"tcpi_snd_ssthresh", info_number<&Info::snd_ssthresh>},
    {"tcpi_unacked", info_number<&Info::unacked>},
    {"tcpi_sacked", info_number<&Info::sacked>},
    {"tcpi_lost", info_number<&Info::lost>},
    {"tcpi_retrans", info_number<&Info::retrans>},
    {"tcpi_reordering", info_number<&Info::reordering>},
    {"tcpi_notsent_bytes", info_number<&Info::notsent_bytes>},
    {"tcpi_snd_wnd", info_number<&Info::snd_wnd>},
    {"tcpi_rcv_wnd", info_number<&Info::rcv_wnd>},
    {"tcpi_pacing_rate", info_number<&Info::pacing_rate>},
    {"tcpi_delivery_rate", info_number<&Info::delivery_rate>},
    {"tcpi_bytes_acked", info_number<&Info::bytes_acked>},
    {"tcpi_bytes_received", info_number<&Info::bytes_received>},
    {"tcpi_bytes_sent", info_number<&Info::bytes_sent>},
    {"tcpi_bytes_retrans", info_number<&Info::bytes_retrans>},
    {"tcpi_segs_out", info_number<&Info::segs_out>},
    {"tcpi_segs_in", info_number<&Info::segs_in>},
    {"tcpi_data_segs_out", info_number<&Info::data_segs_out>},
    {"tcpi_data_segs_in", info_number<&Info::data_segs_in>},
    {"tcpi_total_retrans", info_number<&Info::total_retrans>},
    {"tcpi_dsack_dups", info_number<&Info::dsack_dups>},
    {"tcpi_reord_seen", info_number<&Info::reord_seen>},
    {"tcpi_rcv_ooopack", info_number<&Info::rcv_ooopack>},
    {"tcpi_busy_time", info_number<&Info::busy_time>},
    {"tcpi_rwnd_limited", info_number<&Info::rwnd_limited>},
    {"tcpi_sndbuf_limited", info_number<&Info::sndbuf_limited>},
};

template <class Rows>
const auto* row_named(const Rows& rows, std::string_view name) {
  const auto found = std::find_if(std::begin(rows), std::end(rows), [&](const auto& row) { return row.name == name; });
  return found == std::end(rows) ? nullptr : &*found;
}

}  // namespace

std::optional<std::int64_t> symbol(std::string_view name) {
  if (const auto* row = row_named(kSymbols, name)) return row->value;
  if (const auto* row = row_named(kErrors, name)) return row->value;
  return std::nullopt;
}

std::string errno_name(api::Errno error) {
  const auto* row =
      std::find_if(std::begin(kErrors), std::end(kErrors), [&](const Symbol& known) { return known.value == error; });
  return row == std::end(kErrors) ? fmt::format("errno {}", error) : std::string{row->name};
}

std::optional<std::int64_t> info_value(std::string_view name, const api::TcpInfo& info) {
  if (const auto* row = row_named(kInfo, name)) return row->get(info);
  if (const auto* row = row_named(kInfoSymbols, name)) return row->value;
  return std::nullopt;
}

}  // namespace pollux::stacktest
