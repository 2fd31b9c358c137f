#include "dpdk/port_spec.h"

#include <net/if.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

namespace pollux::dpdk {
namespace {

using Parsed = Expected<PortSpec, std::string>;
using Done = Expected<void, std::string>;

constexpr std::uint16_t kMaxQueues = 16;  // more than any virtual device here has use for

struct Form {
  std::string_view word;
  PortKind kind;
  std::string_view driver;
  std::string_view shape;
};
constexpr std::array<Form, 7> kForms{{
    {"tap", PortKind::kTap, "net_tap", "tap:name=plx0,kernel=198.18.0.1/24"},
    {"memif", PortKind::kMemif, "net_memif", "memif:server,/run/plx.sock"},
    {"ring", PortKind::kRing, "net_ring", "ring"},
    {"ring-pair", PortKind::kRingPair, "net_ring", "ring-pair"},
    {"memif-pair", PortKind::kMemifPair, "net_memif", "memif-pair"},
    {"pcap", PortKind::kPcap, "net_pcap", "pcap:in.pcap,out.pcap"},
    {"afpacket", PortKind::kAfPacket, "net_af_packet", "afpacket:eth1"},
}};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) parts.emplace_back();
  }
  return parts;
}

std::pair<std::string_view, std::string_view> key_and_value(std::string_view part) {
  const std::size_t equals = part.find('=');
  if (equals == std::string_view::npos) return {part, {}};
  return {part.substr(0, equals), part.substr(equals + 1)};
}

std::string in_quotes(std::string_view text) { return "'" + std::string{text} + "'"; }

// Letters to change, add or take away to get from one word to the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// " (did you mean 'kernel'?)", or nothing when no word is near.
template <class Words>
std::string suggestion(std::string_view word, const Words& words) {
  std::string_view best;
  std::size_t least = 3;
  for (const std::string_view candidate : words) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best.empty() ? "" : " (did you mean " + in_quotes(best) + "?)";
}

tl::unexpected<std::string> bad(const PortSpec& spec, const std::string& why) {
  return unexpected("--port " + spec.text + ": " + why);
}

void add_argument(PortSpec& spec, std::string_view key, std::string_view value) {
  if (!spec.arguments.empty()) spec.arguments += ',';
  spec.arguments += key;
  if (!value.empty()) spec.arguments.append("=").append(value);
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % 3 == 2 ? text[i] != ':' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

// 0000:81:00.0 or 81:00.0, the former in full.
std::string pci_address(std::string_view text) {
  constexpr std::string_view kLong = "xxxx:xx:xx.x";
  constexpr std::string_view kShort = "xx:xx.x";
  const auto fits = [text](std::string_view shape) {
    return text.size() == shape.size() && std::equal(text.begin(), text.end(), shape.begin(), [](char c, char s) {
             return s == 'x' ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : c == s;
           });
  };
  if (fits(kLong)) return std::string{text};
  return fits(kShort) ? "0000:" + std::string{text} : std::string{};
}

Done check_interface(const PortSpec& spec, std::string_view name) {
  if (name.empty()) return bad(spec, "the interface name is empty");
  if (name.size() >= IFNAMSIZ || name.find('/') != std::string_view::npos) {
    return bad(spec, in_quotes(name) + " is no name for an interface: at most " + std::to_string(IFNAMSIZ - 1) +
                         " characters, no '/'");
  }
  return {};
}

Done take_queues(PortSpec& spec, std::string_view value) {
  std::uint16_t n = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
  if (error != std::errc{} || end != value.data() + value.size() || n == 0 || n > kMaxQueues) {
    return bad(spec, "queues=" + std::string{value} + " is not a number from 1 to " + std::to_string(kMaxQueues));
  }
  spec.queues = n;
  return {};
}

Done take_tap_part(PortSpec& spec, std::string_view part) {
  constexpr std::array<std::string_view, 5> kKeys{"name", "kernel", "mac", "queues", "persist"};
  const auto [key, value] = key_and_value(part);
  if (key == "name") {
    spec.interface = value;
    return check_interface(spec, value);
  }
  if (key == "kernel") {
    auto prefix = IpPrefix::parse(value);
    if (!prefix)
      return bad(spec, "kernel=" + std::string{value} + ": " + prefix.error() + "; as in kernel=198.18.0.1/24");
    spec.kernel.push_back(*prefix);
    return {};
  }
  if (key == "mac") {
    if (value != "fixed" && !is_mac(value)) {
      return bad(spec, "mac=" + std::string{value} + " is not a MAC address like 02:00:00:00:00:01, nor 'fixed'");
    }
    add_argument(spec, key, value);
    return {};
  }
  if (key == "queues") return take_queues(spec, value);
  if (key == "persist") {
    spec.persists = true;
    add_argument(spec, key, {});
    return {};
  }
  return bad(spec, in_quotes(key) + " is not an option of tap" + suggestion(key, kKeys) +
                       "; there are name, kernel, mac, queues, persist");
}

Done parse_tap(PortSpec& spec, const std::vector<std::string>& parts) {
  spec.interface = "plx0";
  for (const std::string& part : parts) {
    if (auto done = take_tap_part(spec, part); !done) return done;
  }
  add_argument(spec, "iface", spec.interface);
  return {};
}

bool has_key(const std::vector<std::string>& parts, std::string_view key) {
  return std::any_of(parts.begin(), parts.end(),
                     [key](const std::string& part) { return key_and_value(part).first == key; });
}

Done parse_memif(PortSpec& spec, const std::vector<std::string>& parts) {
  constexpr std::array<std::string_view, 2> kRoles{"server", "client"};
  const std::string role = parts.empty() ? "" : parts[0];
  if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
    return bad(spec, in_quotes(role) + " is not a role of memif" + suggestion(role, kRoles) +
                         "; it is memif:server,PATH or memif:client,PATH");
  }
  if (parts.size() < 2 || parts[1].empty()) {
    return bad(spec, "the socket's path is missing, as in memif:" + role + ",/run/plx.sock");
  }
  const std::string& path = parts[1];
  if (path[0] != '/' && path[0] != '@') {
    return bad(spec, "the socket's path " + in_quotes(path) + " must begin with '/', or with '@' for an abstract name");
  }
  const bool abstract = path[0] == '@';
  add_argument(spec, "role", role);
  add_argument(spec, "socket", abstract ? path.substr(1) : path);
  add_argument(spec, "socket-abstract", abstract ? "yes" : "no");
  if (!has_key(parts, "rsize")) add_argument(spec, "rsize", "12");
  for (std::size_t i = 2; i < parts.size(); ++i) {
    const auto [key, value] = key_and_value(parts[i]);
    if (key.empty() || value.empty()) return bad(spec, in_quotes(parts[i]) + " is not KEY=VALUE");
    if (key == "queues") {
      if (auto done = take_queues(spec, value); !done) return done;
    } else {
      add_argument(spec, key, value);
    }
  }
  return {};
}

Done parse_pcap(PortSpec& spec, const std::vector<std::string>& parts) {
  if (parts.empty() || parts.size() > 2 || (parts[0].empty() && (parts.size() < 2 || parts[1].empty()))) {
    return bad(spec, "it is pcap:IN,OUT with the file to read and the file to write");
  }
  if (!parts[0].empty()) add_argument(spec, "rx_pcap", parts[0]);
  if (parts.size() == 2 && !parts[1].empty()) add_argument(spec, "tx_pcap", parts[1]);
  return {};
}

Done parse_afpacket(PortSpec& spec, const std::vector<std::string>& parts) {
  if (parts.empty()) return bad(spec, "the interface is missing, as in afpacket:eth1");
  spec.interface = parts[0];
  if (auto done = check_interface(spec, parts[0]); !done) return done;
  add_argument(spec, "iface", parts[0]);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto [key, value] = key_and_value(parts[i]);
    if (key.empty() || value.empty()) return bad(spec, in_quotes(parts[i]) + " is not KEY=VALUE");
    if (key == "queues" || key == "qpairs") {
      if (auto done = take_queues(spec, value); !done) return done;
      add_argument(spec, "qpairs", value);
    } else {
      add_argument(spec, key, value);
    }
  }
  return {};
}

Done parse_parts(PortSpec& spec, const std::vector<std::string>& parts) {
  switch (spec.kind) {
    case PortKind::kTap:
      return parse_tap(spec, parts);
    case PortKind::kMemif:
      return parse_memif(spec, parts);
    case PortKind::kPcap:
      return parse_pcap(spec, parts);
    case PortKind::kAfPacket:
      return parse_afpacket(spec, parts);
    case PortKind::kRing:
    case PortKind::kRingPair:
    case PortKind::kMemifPair:
      for (const std::string& part : parts) {
        const auto [key, value] = key_and_value(part);
        if (key != "queues") return bad(spec, in_quotes(part) + " is not an option here; there is queues=N");
        if (auto done = take_queues(spec, value); !done) return done;
      }
      return {};
    case PortKind::kPci:
    case PortKind::kVdev:
      break;
  }
  return {};
}

// A vdev string goes to DPDK as it is; only its name is ours to look at.
Parsed parse_vdev(PortSpec spec) {
  const std::size_t comma = spec.text.find(',');
  spec.kind = PortKind::kVdev;
  spec.device = spec.text.substr(0, comma);
  if (comma != std::string::npos) spec.arguments = spec.text.substr(comma + 1);
  spec.driver = spec.device.substr(0, spec.device.find_last_not_of("0123456789") + 1);
  if (std::isdigit(static_cast<unsigned char>(spec.device.back())) == 0) {
    return bad(spec, "a vdev needs a number after its driver, as in " + in_quotes(spec.device + "0"));
  }
  return spec;
}

std::string all_forms() {
  std::string text;
  for (const Form& form : kForms) text += "\n  " + std::string{form.shape};
  return text + "\n  0000:81:00.0\n  net_null0,size=64";
}

}  // namespace

Parsed PortSpec::parse(std::string_view text) {
  PortSpec spec;
  spec.text = text;
  if (text.empty()) return unexpected("--port is empty; it may be one of:" + all_forms());
  if (std::string address = pci_address(text); !address.empty()) {
    spec.kind = PortKind::kPci;
    spec.device = std::move(address);
    return spec;
  }
  if (text.rfind("net_", 0) == 0 || text.rfind("eth_", 0) == 0) return parse_vdev(std::move(spec));

  const std::string_view word = text.substr(0, text.find_first_of(":,"));
  const auto form = std::find_if(kForms.begin(), kForms.end(), [word](const Form& f) { return f.word == word; });
  if (form == kForms.end()) {
    std::array<std::string_view, kForms.size()> words;
    std::transform(kForms.begin(), kForms.end(), words.begin(), [](const Form& f) { return f.word; });
    return bad(spec, in_quotes(word) + " is not a kind of port" + suggestion(word, words) +
                         "; it may be one of:" + all_forms());
  }
  spec.kind = form->kind;
  spec.driver = form->driver;
  const std::string_view rest = text.size() > word.size() ? text.substr(word.size() + 1) : std::string_view{};
  if (auto done = parse_parts(spec, split(rest)); !done) return unexpected(done.error());
  return spec;
}

}  // namespace pollux::dpdk
