#include "actors/query/query.hpp"

#include <cerrno>
#include <cstring>

#include <CLI/App.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "actors/query/query_output.hpp"
#include "actors/text/time_text.hpp"
#include "deploy/cli.hpp"
#include "transport/posix_file_system.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "query";

struct query_arguments {
  std::string folder;
  query_options options;
  query_format format = query_format::raw;
};

/// Writes everything to standard output; false once nobody reads it.
bool write_all(byte_view bytes) {
  while (!bytes.empty()) {
    auto written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

int run(const query_arguments& arguments) {
  posix_file_system files;
  auto failure = 0;
  auto output = make_query_writer(
    arguments.format,
    [&failure](byte_view bytes) {
      if (failure == 0 && !write_all(bytes))
        failure = errno;
      return failure == 0;
    },
    [](std::string_view gap) { report(verb, exit_code::done, std::string{gap}); });
  auto done = run_query(files, arguments.folder, arguments.options, *output,
    [](const damage& x) { report(verb, exit_code::bad_data, to_string(x) + "; passed over"); });
  if (!done)
    return report(verb, done.error());
  output->finish();
  if (failure != 0 && failure != EPIPE)
    return report(verb, exit_code::io_error, fmt::format("standard output: {}", std::strerror(failure)));
  return static_cast<int>(done->corrupt > 0 ? exit_code::bad_data : exit_code::done);
}

} // namespace

void add_query(CLI::App& app) {
  auto* sub = app.add_subcommand("query", "Give back what is stored");
  auto arguments = std::make_shared<query_arguments>();
  auto labels = std::make_shared<label_set>();
  auto& options = arguments->options;
  auto parse_time = [](const std::string& text) { return sluice::parse_time(text, std::chrono::system_clock::now()); };
  sub->add_option("--store", arguments->folder, "Folder of the store")->required()->type_name("DIR");
  add_parsed(
    *sub, "--since", options.since, "TIME", "From this time on: RFC 3339, a date, or a while back, as 15m", parse_time);
  add_parsed(*sub, "--until", options.until, "TIME", "Before this time", parse_time);
  add_labels(*sub, *labels, "Only streams with this label; may be repeated");
  add_parsed(*sub, "--severity", options.level, "LEVEL", "Only records at least as severe, as warning",
    [](const std::string& text) { return parse_level(text); });
  sub->add_option("--contains", options.contains, "Only records that contain this text")->type_name("TEXT");
  sub->add_option("--match", options.match, "Only records that match this regular expression (RE2)")->type_name("RE");
  constexpr std::uint64_t most_records = 1'000'000'000'000;
  add_count(*sub, "--limit", options.limit, 0, most_records, "At most so many records; 0 for all");
  add_parsed(*sub, "--output", arguments->format, "raw|json|count", "What to print",
    [](const std::string& text) { return parse_query_format(text); });
  sub->callback([arguments, labels] {
    arguments->options.labels.assign(labels->begin(), labels->end());
    finish(run(*arguments));
  });
}

} // namespace sluice
