#include <fstream>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/support/certificates.hpp"
#include "transport/tls_context.hpp"

namespace sluice::test {
namespace {

class tls_context_test : public testing::Test {
protected:
  tls_files server() const { return {.cert = file("server.crt"), .key = file("server.key")}; }

  std::string file(const std::string& name) const { return folder_.file(name); }

  void write(const std::string& name, std::string_view content) const { std::ofstream{file(name)} << content; }

  void expect_refused(const tls_files& files, errc code, const std::string& message, tls_side side = tls_side::server) {
    auto opened = tls_context::open(files, side);
    ASSERT_FALSE(opened) << message;
    EXPECT_EQ(opened.error().code, code) << opened.error().message;
    EXPECT_TRUE(opened.error().message.starts_with(message)) << opened.error().message;
  }

  temporary_folder folder_;
  test_authority authority_{folder_, "authority"};
};

TEST_F(tls_context_test, takes_a_certificate_and_its_key_and_says_when_it_ends) {
  authority_.issue("server", {.ends = 10});
  auto files = server();
  files.client_ca = authority_.file();
  auto opened = tls_context::open(files, tls_side::server);
  ASSERT_TRUE(opened) << opened.error().message;
  auto& expiries = (*opened)->expiries();
  ASSERT_EQ(expiries.size(), 2u);
  auto days = [](const certificate_expiry& x) {
    return std::chrono::round<std::chrono::days>(x.at - std::chrono::system_clock::now()).count();
  };
  EXPECT_EQ(expiries[0].file, files.cert);
  EXPECT_EQ(days(expiries[0]), 10);
  EXPECT_EQ(expiries[1].file, files.client_ca);
  EXPECT_EQ(days(expiries[1]), 30);
}

TEST_F(tls_context_test, names_the_file_that_is_not_good) {
  authority_.issue("server");
  authority_.issue("other");
  auto wrong = [this](auto member, const std::string& name) {
    auto files = server();
    files.*member = file(name);
    return files;
  };
  write("empty", "");
  write("broken", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
  write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                      "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBCHAXnEqN9X9wAdmhTn\n"
                      "-----END ENCRYPTED PRIVATE KEY-----\n");
  expect_refused(wrong(&tls_files::cert, "absent"), errc::not_found, file("absent"));
  expect_refused(wrong(&tls_files::cert, ""), errc::is_a_directory, file(""));
  expect_refused(wrong(&tls_files::cert, "empty"), errc::malformed, file("empty") + ": holds no certificate");
  expect_refused(wrong(&tls_files::cert, "server.key"), errc::malformed, file("server.key") + ": holds no certificate");
  expect_refused(wrong(&tls_files::cert, "broken"), errc::malformed, file("broken") + ": certificate 1 cannot be read");
  expect_refused(wrong(&tls_files::key, "absent"), errc::not_found, file("absent"));
  expect_refused(wrong(&tls_files::key, "server.crt"), errc::malformed, file("server.crt") + ": holds no private key");
  expect_refused(wrong(&tls_files::key, "other.key"), errc::malformed,
    file("other.key") + ": is not the key of the certificate " + file("server.crt"));
  expect_refused(wrong(&tls_files::client_ca, "absent"), errc::not_found, file("absent"));
  expect_refused(wrong(&tls_files::client_ca, "empty"), errc::malformed, file("empty") + ": holds no certificate");
}

TEST_F(tls_context_test, refuses_certificates_out_of_their_time) {
  authority_.issue("server", {.begins = -20, .ends = -10});
  expect_refused(server(), errc::untrusted, file("server.crt") + ": certificate 1 has expired on 20");
  authority_.issue("server", {.begins = 10, .ends = 20});
  expect_refused(server(), errc::untrusted, file("server.crt") + ": certificate 1 is not valid before 20");
}

// Of those that follow ours nothing was looked at.
TEST_F(tls_context_test, refuses_a_chain_of_which_one_is_out_of_its_time) {
  authority_.issue("server");
  authority_.issue("between", {.begins = -20, .ends = -10});
  std::ofstream{file("server.crt"), std::ios::app} << std::ifstream{file("between.crt")}.rdbuf();
  expect_refused(server(), errc::untrusted, file("server.crt") + ": certificate 2 has expired on 20");
}

TEST_F(tls_context_test, wants_certificate_and_key_together) {
  authority_.issue("server");
  expect_refused({}, errc::invalid_argument, "who accepts TLS needs a certificate");
  expect_refused({.cert = file("server.crt")}, errc::invalid_argument, file("server.crt"));
  expect_refused({.key = file("server.key")}, errc::invalid_argument, file("server.key"), tls_side::client);
  EXPECT_TRUE(tls_context::open({}, tls_side::client));
}

TEST_F(tls_context_test, follows_its_files_and_keeps_the_old_ones_if_the_new_are_bad) {
  authority_.issue("server", {.ends = 10});
  auto context = tls_context::open(server(), tls_side::server).value();
  auto* first = context->current();
  context->refresh();
  EXPECT_EQ(context->current(), first) << "nothing has changed";
  std::filesystem::rename(file("server.key"), file("away.key"));
  context->refresh();
  EXPECT_EQ(context->current(), first) << "the key is missing";
  authority_.issue("server", {.begins = -20, .ends = -10});
  context->refresh();
  EXPECT_EQ(context->current(), first) << "the new one has expired";
  authority_.issue("server", {.ends = 20});
  auto end = context->expiries()[0].at;
  context->refresh();
  EXPECT_NE(context->current(), first);
  EXPECT_GT(context->expiries()[0].at, end);
}

// What had failed once was not read again before it changed once more.
TEST_F(tls_context_test, tries_again_what_could_not_be_read_for_a_while) {
  authority_.issue("server", {.ends = 10});
  auto context = tls_context::open(server(), tls_side::server).value();
  auto* first = context->current();
  authority_.issue("server", {.ends = 20});
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
  rlimit famine{0, usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &famine), 0);
  context->refresh();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
  ASSERT_EQ(context->current(), first);
  context->refresh();
  EXPECT_NE(context->current(), first);
}

} // namespace
} // namespace sluice::test
