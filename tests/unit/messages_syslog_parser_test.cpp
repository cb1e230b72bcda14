#include <fmt/format.h>
#include <gmock/gmock.h>

#include "messages/rfc3339.hpp"
#include "messages/syslog/syslog_parser.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace std::chrono_literals;
using attributes = std::vector<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view none = "(none)";

timestamp at(std::string_view text) {
  return time_scanner{text}.date_time().value();
}

struct syslog_parser_test : Test {
  syslog_format parse(std::string_view message) { return parser.parse(message, received, record); }

  std::string_view value(std::string_view key) const {
    for (auto& [name, found] : record.attributes)
      if (name == key)
        return found;
    return none;
  }

  timestamp received = at("2026-11-24T12:00:00Z");
  syslog_parser parser;
  record_view record;
};

} // namespace

// -- RFC 5424 section 6.5 ---------------------------------------------------------------------------------------------

TEST_F(syslog_parser_test, reads_example_1_of_rfc_5424) {
  EXPECT_EQ(parse("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
                  "\xEF\xBB\xBF'su root' failed for lonvick on /dev/pts/8"),
    syslog_format::rfc5424);
  EXPECT_EQ(record.time, at("2003-10-11T22:14:15.003Z"));
  EXPECT_EQ(record.level, severity::critical);
  EXPECT_EQ(record.body, "'su root' failed for lonvick on /dev/pts/8");
  EXPECT_EQ(record.attributes,
    (attributes{{"facility", "auth"}, {"hostname", "mymachine.example.com"}, {"appname", "su"}, {"msgid", "ID47"}}));
}

TEST_F(syslog_parser_test, reads_example_2_of_rfc_5424) {
  EXPECT_EQ(
    parse("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts."),
    syslog_format::rfc5424);
  EXPECT_EQ(record.time, at("2003-08-24T12:14:15.000003Z"));
  EXPECT_EQ(record.level, severity::notice);
  EXPECT_EQ(record.body, "%% It's time to make the do-nuts.");
  EXPECT_EQ(record.attributes,
    (attributes{{"facility", "local4"}, {"hostname", "192.0.2.1"}, {"appname", "myproc"}, {"procid", "8710"}}));
}

TEST_F(syslog_parser_test, reads_example_3_of_rfc_5424) {
  EXPECT_EQ(parse("<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" "
                  "eventSource=\"Application\" eventID=\"1011\"] \xEF\xBB\xBF"
                  "An application event log entry..."),
    syslog_format::rfc5424);
  EXPECT_EQ(record.body, "An application event log entry...");
  EXPECT_EQ(
    record.attributes, (attributes{{"facility", "local4"}, {"hostname", "mymachine.example.com"},
                         {"appname", "evntslog"}, {"msgid", "ID47"}, {"exampleSDID@32473.iut", "3"},
                         {"exampleSDID@32473.eventSource", "Application"}, {"exampleSDID@32473.eventID", "1011"}}));
}

TEST_F(syslog_parser_test, reads_example_4_of_rfc_5424) {
  EXPECT_EQ(parse("<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" "
                  "eventSource=\"Application\" eventID=\"1011\"][examplePriority@32473 class=\"high\"]"),
    syslog_format::rfc5424);
  EXPECT_EQ(record.body, "");
  EXPECT_EQ(value("examplePriority@32473.class"), "high");
}

TEST_F(syslog_parser_test, reads_the_timestamps_of_rfc_5424) {
  for (auto [written, meant] : {std::pair{"1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.52Z"},
         std::pair{"1985-04-12T19:20:50.52-04:00", "1985-04-12T23:20:50.52Z"},
         std::pair{"2003-10-11T22:14:15.003Z", "2003-10-11T22:14:15.003Z"},
         std::pair{"2003-08-24T05:14:15.000003-07:00", "2003-08-24T12:14:15.000003Z"},
         // Invalid there, for it has more digits than six; nine do no harm.
         std::pair{"2003-08-24T05:14:15.000000003-07:00", "2003-08-24T12:14:15.000000003Z"}}) {
    EXPECT_EQ(parse(fmt::format("<13>1 {} - - - - - m", written)), syslog_format::rfc5424) << written;
    EXPECT_EQ(record.time, at(meant)) << written;
  }
}

TEST_F(syslog_parser_test, reads_the_structured_data_of_rfc_5424) {
  EXPECT_EQ(parse(R"(<13>1 - - - - - [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] )"
                  R"([examplePriority@32473 class="high"])"),
    syslog_format::rfc5424);
  EXPECT_EQ(value("exampleSDID@32473.iut"), "3");
  EXPECT_EQ(value("examplePriority@32473.class"), none) << "behind a space it is part of the message";
  EXPECT_EQ(record.body, R"([examplePriority@32473 class="high"])");

  EXPECT_EQ(parse(R"(<13>1 - - - - - [ exampleSDID@32473 iut="3"][examplePriority@32473 class="high"])"),
    syslog_format::unparsed);

  EXPECT_EQ(parse(R"(<13>1 - - - - - [sigSig ver="1" rsID="1234" iut="3" signature="..."])"), syslog_format::rfc5424);
  EXPECT_EQ(record.attributes, (attributes{{"facility", "user"}, {"sigSig.ver", "1"}, {"sigSig.rsID", "1234"},
                                 {"sigSig.iut", "3"}, {"sigSig.signature", "..."}}));
}

TEST_F(syslog_parser_test, takes_what_is_absent_for_absent) {
  EXPECT_EQ(parse("<0>1 - - - - - -"), syslog_format::rfc5424);
  EXPECT_EQ(record.time, received);
  EXPECT_EQ(record.level, severity::emergency);
  EXPECT_EQ(record.attributes, (attributes{{"facility", "kern"}}));
}

TEST_F(syslog_parser_test, unescapes_values) {
  EXPECT_EQ(parse(R"(<13>1 - - - - - [a x="1\"2\\3\]4\n5" y="plain"][b z="\\"] m)"), syslog_format::rfc5424);
  EXPECT_EQ(value("a.x"), R"(1"2\3]4\n5)");
  EXPECT_EQ(value("a.y"), "plain");
  EXPECT_EQ(value("b.z"), "\\");
}

TEST_F(syslog_parser_test, keeps_parameters_of_the_same_name_and_elements_without_any) {
  EXPECT_EQ(parse(R"(<13>1 - - - - - [origin ip="a" ip="b"][empty] m)"), syslog_format::rfc5424);
  EXPECT_EQ(
    record.attributes, (attributes{{"facility", "user"}, {"origin.ip", "a"}, {"origin.ip", "b"}, {"empty", ""}}));
}

TEST_F(syslog_parser_test, keeps_the_views_of_a_message_with_as_many_parameters_as_a_record_holds) {
  std::string message = "<13>1 - - - - - [" + std::string(190, 'i');
  for (int i = 0; i < 63; ++i)
    message += fmt::format(" {}{:02}=\"\\\"{}\"", std::string(60, 'n'), i, i);
  EXPECT_EQ(parse(message + "] m"), syslog_format::rfc5424);
  ASSERT_EQ(record.attributes.size(), 64u);
  for (int i = 0; i < 63; ++i)
    EXPECT_EQ(record.attributes[static_cast<std::size_t>(i) + 1].second, fmt::format("\"{}", i));
  EXPECT_EQ(parse(message + " one_more=\"\"] m"), syslog_format::unparsed);
}

struct syslog_unparsed : syslog_parser_test, WithParamInterface<std::string_view> {};

TEST_P(syslog_unparsed, becomes_the_body_as_it_is) {
  EXPECT_EQ(parse(GetParam()), syslog_format::unparsed);
  EXPECT_EQ(record.body, GetParam());
  EXPECT_EQ(record.time, received);
  EXPECT_EQ(record.level, std::nullopt);
  EXPECT_THAT(record.attributes, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(syslog, syslog_unparsed,
  Values("", "hello", "<", "<>x", "<192>x", "<1234>x", "<-1>x", "<13 x", "<13>1 ", "<13>1 2003-10-11T22:14:15.003Z",
    "<13>1 2003-10-11 22:14:15 h a p m - x", "<13>1 2003-13-11T22:14:15Z h a p m - x",
    "<13>1 2003-08-24T05:14:15.0000000003Z h a p m - x", "<13>1 -  a p m - x", "<13>1 - h a p m x",
    "<13>1 - h a p m -x", "<13>1 - h a p m [", "<13>1 - h a p m [] x", "<13>1 - h a p m [i a] x",
    "<13>1 - h a p m [i a=b] x", "<13>1 - h a p m [i a=\"b] x", "<13>1 - h a p m [i a=\"b\\\"] x",
    "<13>1 - h a p m [i a=\"b\"x] x", "<13>1 - h a p m [i a=\"b\"", "<13>1 - h a p m [i][ x", "2 <13>1 - - - - - -"));

// -- RFC 3164 ---------------------------------------------------------------------------------------------------------

TEST_F(syslog_parser_test, reads_iso_time_without_a_zone_as_local) {
  syslog_parser east{[](auto) { return 2h; }};
  for (auto text :
    {"<38>2026-11-24T12:06:46.5 localhost prg[1234]: m", "<38>2026-11-24 12:06:46.5 localhost prg[1234]: m"}) {
    EXPECT_EQ(east.parse(text, received, record), syslog_format::rfc3164);
    EXPECT_EQ(record.time, at("2026-11-24T10:06:46.5Z"));
    EXPECT_EQ(value("hostname"), "localhost");
    EXPECT_EQ(value("appname"), "prg");
    EXPECT_EQ(value("procid"), "1234");
    EXPECT_EQ(record.body, "m");
  }
}

TEST_F(syslog_parser_test, reads_the_examples_of_rfc_3164) {
  EXPECT_EQ(
    parse("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8"), syslog_format::rfc3164);
  EXPECT_EQ(record.time, at("2026-10-11T22:14:15Z"));
  EXPECT_EQ(record.level, severity::critical);
  EXPECT_EQ(record.body, "'su root' failed for lonvick on /dev/pts/8");
  EXPECT_EQ(record.attributes, (attributes{{"facility", "auth"}, {"hostname", "mymachine"}, {"appname", "su"}}));

  EXPECT_EQ(parse("Use the BFG!"), syslog_format::unparsed);

  EXPECT_EQ(parse("<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!"), syslog_format::rfc3164);
  EXPECT_EQ(record.time, at("2026-02-05T17:32:18Z"));
  EXPECT_EQ(record.body, "Use the BFG!");
  EXPECT_EQ(record.attributes, (attributes{{"facility", "user"}, {"hostname", "10.0.0.99"}}));

  EXPECT_EQ(parse("<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.  %%  "
                  "Ingredients: Mix=OK, Jelly=OK # Devices: Mixer=OK, Jelly_Injector=OK, Frier=OK # Transport: "
                  "Conveyer1=OK, Conveyer2=OK # %%"),
    syslog_format::rfc3164);
  EXPECT_EQ(record.time, at("1987-08-24T11:34:00Z"));
  EXPECT_THAT(std::string{record.body}, AllOf(StartsWith("%% It's time"), EndsWith("# %%")));
  EXPECT_EQ(record.attributes,
    (attributes{{"facility", "local4"}, {"hostname", "mymachine"}, {"appname", "myproc"}, {"procid", "10"}}));

  EXPECT_EQ(parse("<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!"),
    syslog_format::rfc3164);
  EXPECT_EQ(record.time, at("1990-10-22T10:52:01Z"));
  EXPECT_EQ(value("hostname"), "TZ-6"); // no zone that anybody knows
  EXPECT_EQ(record.body, "scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!");

  EXPECT_EQ(parse("<0>Oct 22 10:52:12 scapegoat 1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: "
                  "That's All Folks!"), // the same, relayed
    syslog_format::rfc3164);
  EXPECT_EQ(record.time, at("2026-10-22T10:52:12Z"));
  EXPECT_EQ(record.attributes, (attributes{{"facility", "kern"}, {"hostname", "scapegoat"}}));
  EXPECT_EQ(record.body, "1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!");
}

struct wild {
  std::string_view message, time, hostname, appname, procid, body;
};

struct syslog_in_the_wild : syslog_parser_test, WithParamInterface<wild> {};

TEST_P(syslog_in_the_wild, is_understood) {
  auto& x = GetParam();
  EXPECT_EQ(parse(x.message), syslog_format::rfc3164);
  EXPECT_EQ(record.time, x.time.empty() ? received : at(x.time));
  EXPECT_EQ(value("hostname"), x.hostname);
  EXPECT_EQ(value("appname"), x.appname);
  EXPECT_EQ(value("procid"), x.procid);
  EXPECT_EQ(record.body, x.body);
}

INSTANTIATE_TEST_SUITE_P(syslog, syslog_in_the_wild,
  Values(wild{"<13>hello", "", none, none, none, "hello"}, wild{"<13>", "", none, none, none, ""},
    wild{"<14>app: started", "", none, "app", none, "started"}, wild{"<14>app[7]: x", "", none, "app", "7", "x"},
    wild{"<14>app[7] x", "", none, "app", "7", "x"}, wild{"<14>list[int] x", "", none, none, none, "list[int] x"},
    wild{"<14>two  spaces: x", "", none, none, none, "two  spaces: x"},
    wild{"<13>Nov 24 11:59:59 app: local, without a host", "2026-11-24T11:59:59Z", none, "app", none,
      "local, without a host"},
    wild{"<13>Nov 24 11:59:59 app[12]: x", "2026-11-24T11:59:59Z", none, "app", "12", "x"},
    wild{"<13>Nov 4 01:02:03 h postfix/smtpd[9]:  two", "2026-11-04T01:02:03Z", "h", "postfix/smtpd", "9", " two"},
    wild{"<13>Nov 24 11:59:59.250 h a: x", "2026-11-24T11:59:59.25Z", "h", "a", none, "x"},
    wild{"<13>Nov 24 2020 11:59:59 h a: x", "2020-11-24T11:59:59Z", "h", "a", none, "x"},
    wild{"<13>Nov 24 11:59:59 2020 h a: x", "2020-11-24T11:59:59Z", "h", "a", none, "x"},
    wild{"<13>Nov 24 11:59:59 CET h a: x", "2026-11-24T10:59:59Z", "h", "a", none, "x"},
    wild{"<13>Nov 24 11:59:59 +02:00 h a: x", "2026-11-24T09:59:59Z", "h", "a", none, "x"},
    wild{"<13>2026-11-24T11:59:59.123456+01:00 h a[1]: x", "2026-11-24T10:59:59.123456Z", "h", "a", "1", "x"},
    wild{"<189>123: *Nov  1 18:46:11: %SYS-5-CONFIG_I: Configured", "2026-11-01T18:46:11Z", none, "%SYS-5-CONFIG_I",
      none, "Configured"},
    wild{"<189>123: no time", "", none, "123", none, "no time"},
    wild{"<13>Nov 24 11:59:59 fe80::1 a: x", "2026-11-24T11:59:59Z", "fe80::1", "a", none, "x"},
    wild{"<13>Nov 24 11:59:59 lonely", "2026-11-24T11:59:59Z", none, none, none, "lonely"},
    wild{"<13>Nov 24 11:59:59", "2026-11-24T11:59:59Z", none, none, none, ""},
    wild{"<13>Nov 31 11:59:59 h a: x", "", none, none, none, "Nov 31 11:59:59 h a: x"},
    wild{"<13>Nov 24 24:00:00 h a: x", "", none, none, none, "Nov 24 24:00:00 h a: x"},
    wild{"<13>2 - h", "", none, none, none, "2 - h"}));

TEST_F(syslog_parser_test, takes_the_latest_year_that_is_not_ahead) {
  received = at("2027-01-01T00:00:05Z");
  parse("<13>Dec 31 23:59:59 h a: x");
  EXPECT_EQ(record.time, at("2026-12-31T23:59:59Z"));
  received = at("2026-12-31T23:59:59Z");
  parse("<13>Jan  1 00:00:05 h a: x");
  EXPECT_EQ(record.time, at("2027-01-01T00:00:05Z"));
  parse("<13>Jan 10 00:00:05 h a: x");
  EXPECT_EQ(record.time, at("2026-01-10T00:00:05Z"));
  parse("<13>Feb 29 00:00:05 h a: x");
  EXPECT_EQ(record.time, at("2024-02-29T00:00:05Z"));
}

TEST_F(syslog_parser_test, reads_times_without_a_zone_in_that_of_the_receiver) {
  parser = syslog_parser{[](auto) { return 2h; }};
  parse("<13>Nov 24 11:59:59 h a: x");
  EXPECT_EQ(record.time, at("2026-11-24T09:59:59Z"));
  parse("<13>Nov 24 11:59:59 UTC h a: x");
  EXPECT_EQ(record.time, at("2026-11-24T11:59:59Z"));
}

TEST_F(syslog_parser_test, reads_each_time_without_a_zone_in_the_season_that_it_names) {
  parser = syslog_parser{[](std::chrono::local_seconds at) {
    return at < std::chrono::local_days{std::chrono::year{2026} / 10 / 25} + 3h ? 2h : 1h;
  }};
  parse("<13>Oct 25 02:59:59 h a: x");
  EXPECT_EQ(record.time, at("2026-10-25T00:59:59Z"));
  parse("<13>Oct 25 03:00:00 h a: x");
  EXPECT_EQ(record.time, at("2026-10-25T02:00:00Z"));
  parse("<13>2026-10-25T02:59:59 h a: x");
  EXPECT_EQ(record.time, at("2026-10-25T00:59:59Z"));
}

TEST_F(syslog_parser_test, asks_for_the_zone_once_in_a_quarter_of_an_hour) {
  std::vector<std::chrono::local_seconds> asked;
  parser = syslog_parser{[&asked](auto at) {
    asked.push_back(at);
    return 1h;
  }};
  received = at("2026-12-31T12:00:00Z");
  for (auto text : {"<13>Nov 24 11:45:00 h a: x", "<13>Nov 24 11:50:00 h a: x", "<13>Nov 24 11:59:59 h a: x",
         "<13>Nov 24 12:00:00 UTC h a: x", "<13>Nov 24 12:00:00 h a: x"})
    parse(text);
  auto day = std::chrono::local_days{std::chrono::year{2026} / 11 / 24};
  EXPECT_THAT(asked, ElementsAre(day + 11h + 45min, day + 12h));
}

} // namespace sluice
