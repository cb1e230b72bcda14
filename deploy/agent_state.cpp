#include "deploy/agent_state.hpp"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>

#include "messages/uuid.hpp"
#include "transport/file_system.hpp"

namespace sluice {

namespace {

/// The file's two lines: the UUID, and the number of starts so far.
expected<agent_identity> parse(const std::filesystem::path& where, const std::string& text) {
  auto refuse = [&] {
    return fail(errc::malformed, fmt::format("{}: does not hold a UUID and a number; remove it to become a new agent, "
                                             "which ships everything anew",
                                   where.string()));
  };
  auto line_end = text.find('\n');
  if (line_end == std::string::npos)
    return refuse();
  agent_identity found;
  auto* digits = text.data() + line_end + 1;
  auto* end = text.data() + text.size();
  auto [read, failure] = std::from_chars(digits, end, found.epoch);
  if (failure != std::errc{} || std::string_view{read, end} != "\n" || found.epoch == 0)
    return refuse();
  auto producer = parse_uuid(text.substr(0, line_end));
  if (!producer)
    return refuse();
  found.producer = *producer;
  return found;
}

/// Two agents that start at the same moment must not make two identities.
expected<std::unique_ptr<file_lock>> lock(
  file_system& files, const std::filesystem::path& where, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds pause{20};
  for (auto waited = 0 * pause;; waited += pause) {
    auto held = files.lock(where);
    if (held || held.error().code != errc::locked || waited >= patience)
      return held;
    std::this_thread::sleep_for(pause);
  }
}

} // namespace

std::string default_state_folder() {
  if (auto* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::string{state} + "/sluice";
  auto* home = std::getenv("HOME");
  return std::string{home && *home ? home : "/var/lib"} + "/.local/state/sluice";
}

expected<agent_identity> load_agent(
  file_system& files, const std::filesystem::path& folder, std::chrono::milliseconds patience) {
  constexpr std::size_t max_bytes = 256;
  if (auto made = files.create_folders(folder); !made)
    return fail(std::move(made.error()));
  auto held = lock(files, folder / "agent.lock", patience);
  if (!held)
    return fail(std::move(held.error()));
  auto where = folder / "agent";
  agent_identity agent;
  if (auto text = read_file(files, where, max_bytes)) {
    auto known = parse(where, *text);
    if (!known)
      return fail(std::move(known.error()));
    agent = *known;
  } else if (text.error().code == errc::not_found) {
    agent.producer = make_uuid();
  } else {
    return fail(std::move(text.error()));
  }
  ++agent.epoch;
  auto written = replace_file(files, where, fmt::format("{}\n{}\n", to_string(agent.producer), agent.epoch));
  if (!written)
    return fail(std::move(written.error()));
  return agent;
}

} // namespace sluice
