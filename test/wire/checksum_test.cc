#include "wire/checksum.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "frames.h"

namespace pollux {
namespace {

using test::Bytes;

Bytes random_bytes(std::size_t size, std::mt19937& random) {
  Bytes result(size);
  for (std::byte& b : result) b = static_cast<std::byte>(random());
  return result;
}

// The sum as a number in network order.
unsigned folded(PartialSum s) { return from_big_endian(s.folded()); }

unsigned checksum_of(PartialSum s) {
  Bytes field(2);
  s.store_checksum(field.data());
  return test::get16(field, 0);
}

TEST(Checksum, OfTheExampleInRfc1071) {  // section 3
  EXPECT_EQ(folded(sum(test::bytes({0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}))), 0xddf2u);
}

TEST(Checksum, AgreesWithTheNaiveOneForEveryLength) {  // MUST-2, MUST-3
  std::mt19937 random{1071};
  for (std::size_t size = 0; size <= 1500; ++size) {
    for (int round = 0; round < 20; ++round) {
      const Bytes data = random_bytes(size, random);
      ASSERT_EQ(folded(sum(data)), test::naive_sum(data)) << "length " << size;
      ASSERT_EQ(checksum_of(sum(data)), test::naive_checksum(data));
    }
  }
}

TEST(Checksum, AgreesAtEveryAlignment) {
  std::mt19937 random{1};
  const Bytes data = random_bytes(400, random);
  for (std::size_t from = 0; from < 64; ++from) {
    for (const std::size_t size : {0, 1, 2, 3, 7, 63, 64, 65, 127, 128, 129, 335}) {
      const std::span<const std::byte> part = std::span{data}.subspan(from, size);
      ASSERT_EQ(folded(sum(part)), test::naive_sum(part)) << from << " " << size;
    }
  }
}

TEST(Checksum, OfBytesThatAreAllOnesOrAllZero) {
  for (std::size_t size = 0; size < 300; ++size) {
    EXPECT_EQ(folded(sum(Bytes(size, std::byte{0}))), 0u);
    const Bytes ones(size, std::byte{0xff});
    EXPECT_EQ(folded(sum(ones)), test::naive_sum(ones));
  }
}

TEST(Checksum, OfAMegabyteOfOnesLosesNoCarry) {
  const Bytes ones((std::size_t{1} << 20) + 3, std::byte{0xff});
  EXPECT_EQ(folded(sum(ones)), test::naive_sum(ones));
  Bytes copied(ones.size());
  EXPECT_EQ(folded(copy_and_sum(copied.data(), ones.data(), ones.size())), test::naive_sum(ones));
}

TEST(Checksum, CopyAndSumCopiesAndSumsEveryLength) {
  std::mt19937 random{2};
  for (std::size_t size = 0; size <= 1500; ++size) {
    const Bytes data = random_bytes(size, random);
    Bytes copied(size);
    ASSERT_EQ(folded(copy_and_sum(copied.data(), data.data(), size)), test::naive_sum(data));
    ASSERT_EQ(copied, data);
  }
}

RC_GTEST_PROP(Checksum, SumsOfPiecesAddUpToTheSumOfTheWhole, (std::vector<std::uint8_t> raw)) {
  const Bytes data = [&] {
    Bytes d;
    for (const std::uint8_t b : raw) d.push_back(std::byte{b});
    return d;
  }();
  const auto cut = *rc::gen::inRange<std::size_t>(0, data.size() + 1);
  const PartialSum first = sum(std::span{data}.first(cut));
  const PartialSum second = sum(std::span{data}.subspan(cut));
  RC_ASSERT(folded(first + (cut % 2 == 0 ? second : second.at_odd_offset())) == test::naive_sum(data));
}

TEST(Checksum, AdditionKeepsTheCarryOutOf64Bits) {
  const PartialSum almost{0xffffffffffffffff};  // minus zero
  EXPECT_EQ((almost + PartialSum{0x1234}).folded(), 0x1234);
  EXPECT_EQ((PartialSum{0x8000000000000000} + PartialSum{0x8000000000000000}).folded(), 1);
}

TEST(Checksum, PseudoHeaderIsThatOfTheRfcForBothFamilies) {  // RFC 9293, 3.1; RFC 8200, 8.1
  for (const test::Ends& ends : {test::Ends{}, test::v6_ends()}) {
    for (const std::uint32_t length : {0u, 20u, 1480u, 65535u, 70000u}) {
      Bytes pseudo;
      test::put_address(pseudo, ends.source);
      test::put_address(pseudo, ends.destination);
      test::put32(pseudo, length);
      test::put32(pseudo, 6);
      EXPECT_EQ(folded(pseudo_header_sum(ends.source, ends.destination, 6, length)), test::naive_sum(pseudo));
    }
  }
}

TEST(Checksum, BothFormsOfZeroVerify) {
  // The words sum to 0xffff with a field of 0x0000, and with one of 0xffff.
  EXPECT_TRUE(sum(test::bytes({0xff, 0xff, 0x00, 0x00})).verifies());
  EXPECT_TRUE(sum(test::bytes({0xff, 0xff, 0xff, 0xff})).verifies());
  EXPECT_FALSE(sum(test::bytes({0xff, 0xfe, 0x00, 0x00})).verifies());
}

RC_GTEST_PROP(Checksum, UpdateEqualsSummingAgain, (std::uint16_t after16, std::uint32_t after32)) {  // RFC 1624
  Bytes data(40);
  for (std::byte& b : data) b = std::byte{*rc::gen::arbitrary<std::uint8_t>()};
  data.back() = std::byte{1};  // no packet is all zero, whose sum has another form
  const auto before_checksum = test::naive_checksum(data);
  const auto at = 2 * *rc::gen::inRange<std::size_t>(0, 18);

  Bytes changed16 = data;
  test::set16(changed16, at, after16);
  RC_ASSERT(updated_checksum(before_checksum, load_be<std::uint16_t>(data.data() + at), after16) ==
            test::naive_checksum(changed16));
  Bytes changed32 = data;
  store_be(changed32.data() + at, after32);
  RC_ASSERT(updated_checksum(before_checksum, load_be<std::uint32_t>(data.data() + at), after32) ==
            test::naive_checksum(changed32));
}

TEST(Checksum, UpdateOfTheExampleInRfc1624) {  // section 4: not 0xffff, which RFC 1141 gives
  EXPECT_EQ(updated_checksum(std::uint16_t{0xdd2f}, std::uint16_t{0x5555}, std::uint16_t{0x3285}), 0x0000);
}

}  // namespace
}  // namespace pollux
