#include <gtest/gtest.h>

#include "eal_fixture.h"

namespace pollux::dpdk {
namespace {

std::unique_ptr<Eal> the_eal;

class EalEnvironment : public testing::Environment {
 public:
  void SetUp() override {
    auto started = Eal::start({.huge_pages = HugePages::kOff, .memory_mb = 192, .cpus = {0, 0}});
    ASSERT_TRUE(started.has_value()) << started.error();
    the_eal = std::move(*started);
  }
  void TearDown() override { the_eal.reset(); }
};

}  // namespace

Eal& eal() { return *the_eal; }

std::vector<std::unique_ptr<Port>> open_ports(const char* text, PortConfig config) {
  const auto spec = PortSpec::parse(text);
  if (!spec) {
    ADD_FAILURE() << spec.error();
    return {};
  }
  auto ports = Port::open(*spec, config);
  if (!ports) {
    ADD_FAILURE() << ports.error();
    return {};
  }
  return std::move(*ports);
}

}  // namespace pollux::dpdk

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new pollux::dpdk::EalEnvironment);
  return RUN_ALL_TESTS();
}
