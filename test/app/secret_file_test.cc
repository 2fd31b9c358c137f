#include "secret_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace pollux::app {
namespace {

class SecretFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "pollux-secret-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name = "secret") const { return folder_ + "/" + name; }

  std::string folder_;
};

TEST_F(SecretFile, KeepsWhatItWasMadeWith) {
  const auto first = kept_secret(path("state/pollux/secret"));
  ASSERT_TRUE(first) << first.error();
  const auto second = kept_secret(path("state/pollux/secret"));
  ASSERT_TRUE(second) << second.error();
  EXPECT_EQ(first->k0, second->k0);
  EXPECT_EQ(first->k1, second->k1);
  const auto other = kept_secret(path("other"));
  ASSERT_TRUE(other) << other.error();
  EXPECT_NE(first->k0, other->k0);
  EXPECT_NE(first->k1, other->k1);
}

TEST_F(SecretFile, IsForOneUsersEyesAndLeavesNothingBeside) {
  ASSERT_TRUE(kept_secret(path()));
  struct stat status {};
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{folder_}, {}), 1);
}

TEST_F(SecretFile, IsNotBelievedWhereOthersCouldReadIt) {
  ASSERT_TRUE(kept_secret(path()));
  ASSERT_EQ(chmod(path().c_str(), 0644), 0);
  const auto secret = kept_secret(path());
  ASSERT_FALSE(secret);
  EXPECT_NE(secret.error().find("others may read"), std::string::npos) << secret.error();
}

TEST_F(SecretFile, SaysWhatIsWrongWithAFile) {
  for (const std::string text :
       {"", "short\n", "0123456789abcdef0123456789abcdeg\n", "0123456789abcdef0123456789abcdef\nmore"}) {
    std::ofstream{path()} << text;
    ASSERT_EQ(chmod(path().c_str(), 0600), 0);
    const auto secret = kept_secret(path());
    ASSERT_FALSE(secret) << text;
    EXPECT_NE(secret.error().find("is not a secret of ours"), std::string::npos) << secret.error();
  }
  EXPECT_FALSE(kept_secret(folder_));
  EXPECT_FALSE(kept_secret("/proc/pollux/secret"));
  EXPECT_FALSE(kept_secret(""));
}

}  // namespace
}  // namespace pollux::app
