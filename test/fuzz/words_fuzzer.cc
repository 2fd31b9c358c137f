// What people write: port specifications, addresses, numbers with units. Nothing crashes,
// and what is understood reads back.

#include <cmath>
#include <string>
#include <string_view>

#include "dpdk/port_spec.h"
#include "tape.h"
#include "units.h"
#include "wire/ip_address.h"
#include "wire/mac_address.h"

namespace {

using namespace pollux;

template <class Parsed>
void says_why(const Parsed& parsed) {
  CHECK(parsed.has_value() || !parsed.error().empty());
}

void read_back(std::string_view text) {
  if (const auto address = IpAddress::parse(text)) CHECK(IpAddress::parse(to_string(*address)).value() == *address);
  if (const auto prefix = IpPrefix::parse(text)) {
    CHECK(IpPrefix::parse(to_string(*prefix)).value() == *prefix);
    CHECK(prefix->contains(prefix->address));
  }
  if (const auto mac = MacAddress::parse(text)) CHECK(MacAddress::parse(to_string(*mac)).value() == *mac);
  if (const auto duration = app::parse_duration(text)) {
    CHECK(app::parse_duration(app::exact_duration(*duration)).value() == *duration);
    CHECK(!app::show_duration(*duration).empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  const fuzz::Exact copy{tape.take(tape.size())};
  const std::string_view text{reinterpret_cast<const char*>(copy.all().data()), copy.all().size()};
  read_back(text);
  says_why(IpAddress::parse(text));
  says_why(IpPrefix::parse(text));
  says_why(MacAddress::parse(text));
  says_why(dpdk::PortSpec::parse(text));
  says_why(app::parse_duration(text));
  says_why(app::parse_switch(text));
  if (const auto bytes = app::parse_size(text)) CHECK(!app::show_bytes(static_cast<double>(*bytes)).empty());
  if (const auto count = app::parse_count(text)) CHECK(!app::with_commas(*count).empty());
  if (const auto rate = app::parse_rate(text)) CHECK(std::isfinite(*rate) && *rate >= 0);
  if (const auto chance = app::parse_chance(text)) CHECK(*chance >= 0 && *chance <= 1);
  return 0;
}
