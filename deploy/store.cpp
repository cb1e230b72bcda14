#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include <CLI/App.hpp>
#include <fmt/format.h>

#include "actors/storage/store_check.hpp"
#include "actors/storage/store_repair.hpp"
#include "deploy/cli.hpp"
#include "messages/counted.hpp"
#include "transport/posix_file_system.hpp"

namespace sluice {

namespace {

/// Ends with `code`, if what was printed could be written.
[[noreturn]] void finish_printed(std::string_view verb, int code) {
  if (std::fflush(stdout) != 0 && errno != EPIPE)
    code = report(verb, exit_code::io_error, fmt::format("standard output: {}", std::strerror(errno)));
  finish(code);
}

int inspect(const std::string& folder, bool json) {
  posix_file_system files;
  auto found = inspect_store(files, folder);
  if (!found)
    return report("store inspect", found.error());
  fmt::print("{}", json ? to_json(*found) : to_table(*found));
  for (auto& x : found->damages)
    report("store inspect", exit_code::bad_data, to_string(x));
  return static_cast<int>(found->damages.empty() ? exit_code::done : exit_code::bad_data);
}

int verify(const std::string& folder) {
  posix_file_system files;
  auto found =
    verify_store(files, folder, [](const damage& x) { report("store verify", exit_code::bad_data, to_string(x)); });
  if (!found)
    return report("store verify", found.error());
  if (found->tail)
    report("store verify", exit_code::done,
      to_string(*found->tail) + "; this tail is not acknowledged and will be cut at the next start");
  auto affected = found->damaged_records == 0
                    ? std::string{}
                    : fmt::format(" ({} in damaged frames)", counted(found->damaged_records, "record"));
  fmt::print("{}, {}, {}, {} ({} dropped), {}{}\n", counted(found->segments, "segment"),
    counted(found->frames, "frame"), counted(found->records, "record"), counted(found->gaps, "gap"),
    counted(found->gap_records, "record"), counted(found->problems, "problem"), affected);
  return static_cast<int>(found->problems == 0 ? exit_code::done : exit_code::bad_data);
}

int repair(const std::string& folder) {
  posix_file_system files;
  auto now = std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  auto found = repair_store(files, folder, now, [](const std::string& line) { fmt::print("{}\n", line); });
  if (!found)
    return report("store repair", found.error());
  fmt::print("{}, {} written anew\n", counted(found->segments, "segment"), found->repaired);
  if (found->is_whole())
    return static_cast<int>(exit_code::done);
  return report("store repair", exit_code::bad_data,
    fmt::format("the store can be used again, but lacks at least {}, and {} of which nothing is known; what "
                "was at the end of a stream is shipped again if its source still has it",
      counted(found->lost_frames, "frame"), counted(found->lost_bytes, "byte")));
}

} // namespace

void add_store(CLI::App& app) {
  auto* sub = app.add_subcommand("store", "Look after a store folder");
  sub->require_subcommand(1);
  auto folder = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  auto* inspect_verb = sub->add_subcommand("inspect", "Show segments and streams");
  inspect_verb->add_option("DIR", *folder, "Folder of the store")->required();
  inspect_verb->add_flag("--json", *json, "Print JSON");
  inspect_verb->callback([folder, json] { finish_printed("store inspect", inspect(*folder, *json)); });
  auto* verify_verb = sub->add_subcommand("verify", "Check every byte that is stored");
  verify_verb->add_option("DIR", *folder, "Folder of the store")->required();
  verify_verb->callback([folder] { finish_printed("store verify", verify(*folder)); });
  auto* repair_verb =
    sub->add_subcommand("repair", "Save what is whole of damaged segments; nothing may use the store");
  repair_verb->add_option("DIR", *folder, "Folder of the store")->required();
  repair_verb->callback([folder] { finish_printed("store repair", repair(*folder)); });
}

} // namespace sluice
