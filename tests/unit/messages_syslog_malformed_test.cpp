#include <fmt/format.h>
#include <gmock/gmock.h>

#include "messages/rfc3339.hpp"
#include "messages/syslog/syslog_parser.hpp"

// What fuzzing makes of messages, and senders of their own: each becomes what docs/specs/syslog.md says.

namespace sluice {

namespace {

using namespace testing;
using namespace std::string_literals;
using attributes = std::vector<std::pair<std::string, std::string>>;

struct malformed {
  std::string message;
  syslog_format format;
  std::string body;
  attributes about;
};

malformed stays_raw(std::string message) {
  return {message, syslog_format::unparsed, message, {}};
}

malformed is_rfc3164(std::string message, std::string body, attributes about = {}) {
  about.emplace(about.begin(), "facility", "user");
  return {std::move(message), syslog_format::rfc3164, std::move(body), std::move(about)};
}

malformed is_rfc5424(std::string message, std::string body, attributes about = {}) {
  about.emplace(about.begin(), "facility", "user");
  return {std::move(message), syslog_format::rfc5424, std::move(body), std::move(about)};
}

std::string x(std::size_t count) {
  return std::string(count, 'x');
}

/// 1 to `count` parameters of an element `i`.
std::string parameters(int count) {
  std::string result;
  for (int n = 1; n <= count; ++n)
    result += fmt::format(" n{}=\"\"", n);
  return result;
}

struct syslog_malformed : TestWithParam<malformed> {};

TEST_P(syslog_malformed, becomes_what_the_specification_says) {
  auto& expected = GetParam();
  auto received = time_scanner{"2026-11-24T12:00:00Z"}.date_time().value();
  syslog_parser parser;
  record_view record;
  EXPECT_EQ(parser.parse(expected.message, received, record), expected.format) << expected.message;
  EXPECT_EQ(record.body, expected.body);
  EXPECT_EQ(attributes(record.attributes.begin(), record.attributes.end()), expected.about);
  EXPECT_EQ(record.level.has_value(), expected.format != syslog_format::unparsed);
}

// -- what stands before all else --------------------------------------------------------------------------------------

INSTANTIATE_TEST_SUITE_P(priority, syslog_malformed,
  Values(stays_raw("<13"), stays_raw("< 13>x"), stays_raw("<+13>x"), stays_raw("<0x1>x"), stays_raw("<1e1>x"),
    stays_raw("<13 >x"), stays_raw("<999>x"), stays_raw("<0013>x"), stays_raw("<99999999999999999999>x"),
    stays_raw(" <13>x"), stays_raw("\xEF\xBB\xBF<13>x"), stays_raw("\0<13>x"s), stays_raw("<13\0>x"s),
    stays_raw(x(70'000)), is_rfc3164("<013>x", "x"), is_rfc3164("<13>>x", ">x"), is_rfc3164("<13><13>x", "<13>x"),
    is_rfc3164("<13>\0\x01\x7F\xFF"s, "\0\x01\x7F\xFF"s)));

INSTANTIATE_TEST_SUITE_P(version, syslog_malformed,
  Values(is_rfc3164("<13>1", "1"), is_rfc3164("<13>0 - - - - - - m", "0 - - - - - - m"),
    is_rfc3164("<13>01 - - - - - - m", "01 - - - - - - m"), is_rfc3164("<13>11 - - - - - - m", "11 - - - - - - m"),
    is_rfc3164("<13>1\t- - - - - - m", "1\t- - - - - - m"), is_rfc3164("<13> 1 - - - - - - m", " 1 - - - - - - m"),
    stays_raw("<13>1  - - - - - m"), stays_raw("<13>1 \xEF\xBB\xBFm")));

// -- RFC 5424 ---------------------------------------------------------------------------------------------------------

INSTANTIATE_TEST_SUITE_P(header, syslog_malformed,
  Values(stays_raw("<13>1 -"), stays_raw("<13>1 - - - - -"), stays_raw("<13>1 - - - - - "),
    stays_raw("<13>1 - - - - - m"), stays_raw("<13>1 -  - - - - m"), stays_raw("<13>1 2026-02-29T00:00:00Z - - - - -"),
    stays_raw("<13>1 2026-11-24T24:00:00Z - - - - -"), stays_raw("<13>1 2026-11-24T00:00:00 - - - - -"),
    stays_raw("<13>1 2026-11-24T00:00:00+24:00 - - - - -"), stays_raw("<13>1 2026-11-24T00:00:00Zulu - - - - -"),
    stays_raw("<13>1 99999-11-24T00:00:00Z - - - - -"), stays_raw("<13>1 - " + x(256) + " - - - -"),
    is_rfc5424("<13>1 - " + x(255) + " - - - -", "", {{"hostname", x(255)}}),
    is_rfc5424("<13>1 - \xFF\t\0 - - - - m"s, "m", {{"hostname", "\xFF\t\0"s}}),
    is_rfc5424("<13>1 - - - - - - \xEF\xBB\xBF\xEF\xBB\xBFm", "\xEF\xBB\xBFm"),
    is_rfc5424("<13>1 - - - - - -  m\n\0\xFF"s, " m\n\0\xFF"s), is_rfc5424("<13>1 - - - - - - ", "")));

INSTANTIATE_TEST_SUITE_P(structured_data, syslog_malformed,
  Values(stays_raw("<13>1 - - - - - ["), stays_raw("<13>1 - - - - - []"), stays_raw("<13>1 - - - - - [i"),
    stays_raw("<13>1 - - - - - [i ]"), stays_raw("<13>1 - - - - - [i  a=\"\"]"),
    stays_raw("<13>1 - - - - - [i a=\"\" ]"), stays_raw("<13>1 - - - - - [i a=\"\"b=\"\"]"),
    stays_raw("<13>1 - - - - - [i =\"\"]"), stays_raw("<13>1 - - - - - [i a='']"),
    stays_raw("<13>1 - - - - - [i a=\"\\\"]"), stays_raw("<13>1 - - - - - [i a=\"\\"),
    stays_raw("<13>1 - - - - - [i a=\"\"]m"), stays_raw("<13>1 - - - - - [i]-"), stays_raw("<13>1 - - - - - -[i]"),
    stays_raw("<13>1 - - - - - [" + x(256) + "]"), stays_raw("<13>1 - - - - - [i " + x(255) + "=\"\"]"),
    stays_raw("<13>1 - - - - - [i a=\"" + x(64 * 1024 + 1) + "\"]"),
    stays_raw("<13>1 - - - - - [i" + parameters(64) + "]"),
    is_rfc5424("<13>1 - - - - - [i a=\"]\\]\n\xFF\"]", "", {{"i.a", "]]\n\xFF"}}),
    is_rfc5424("<13>1 - - - - - [i a=\"\\x\\\\\"] m", "m", {{"i.a", "\\x\\"}}),
    is_rfc5424("<13>1 - - - - - [i][[i] [j]", "[j]", {{"i", ""}, {"[i", ""}})));

// -- RFC 3164 ---------------------------------------------------------------------------------------------------------

INSTANTIATE_TEST_SUITE_P(bsd, syslog_malformed,
  Values(is_rfc3164("<13>Nov 24", "Nov 24"), is_rfc3164("<13>Nov 24 11:59", "Nov 24 11:59"),
    is_rfc3164("<13>Nov 00 11:59:59 h a: m", "Nov 00 11:59:59 h a: m"),
    is_rfc3164("<13>Nov 24 11:60:59 h a: m", "Nov 24 11:60:59 h a: m"),
    is_rfc3164("<13>Nev 24 11:59:59 h a: m", "Nev 24 11:59:59 h a: m"),
    is_rfc3164("<13>nov 24 11:59:59 h a: m", "nov 24 11:59:59 h a: m"),
    is_rfc3164("<13>Nov 24 11:59:59  a: m", " a: m"), is_rfc3164("<13>:", ":"), is_rfc3164("<13>[1]: m", "[1]: m"),
    is_rfc3164("<13>a[]: m", "m", {{"appname", "a"}}), is_rfc3164("<13>a[1: m", "a[1: m"),
    is_rfc3164("<13>a]: m", "a]: m"), is_rfc3164("<13>a[[1]]: m", "a[[1]]: m"),
    is_rfc3164("<13>a:", "", {{"appname", "a"}}), is_rfc3164("<13>" + x(64) + ": m", "m", {{"appname", x(64)}}),
    is_rfc3164("<13>" + x(65) + ": m", x(65) + ": m"),
    is_rfc3164("<13>a[" + x(64) + "]: m", "m", {{"appname", "a"}, {"procid", x(64)}}),
    is_rfc3164("<13>a[" + x(65) + "]: m", "a[" + x(65) + "]: m"),
    is_rfc3164("<13>\xFF\0: m"s, "m", {{"appname", "\xFF\0"s}})));

} // namespace

} // namespace sluice
