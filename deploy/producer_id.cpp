#include "deploy/producer_id.hpp"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/string_generator.hpp>
#include <fmt/format.h>

#include "transport/file_system.hpp"

namespace sluice {

namespace {

id128 to_id(const boost::uuids::uuid& uuid) {
  id128 id;
  std::copy(uuid.begin(), uuid.end(), id.begin());
  return id;
}

expected<id128> parse(const std::filesystem::path& where, const std::string& text) {
  try {
    return to_id(boost::uuids::string_generator{}(text.substr(0, text.find('\n'))));
  } catch (const std::runtime_error&) {
    return fail(errc::malformed, fmt::format("{}: does not hold a UUID; remove it to become a new agent, which ships "
                                             "everything anew",
                                   where.string()));
  }
}

/// Two agents that start at the same moment must not make two identities.
expected<std::unique_ptr<file_lock>> lock(file_system& files, const std::filesystem::path& where) {
  constexpr int attempts = 100;
  for (int i = 1;; ++i) {
    auto held = files.lock(where);
    if (held || held.error().code != errc::locked || i == attempts)
      return held;
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
}

} // namespace

std::string default_state_folder() {
  if (auto* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::string{state} + "/sluice";
  auto* home = std::getenv("HOME");
  return std::string{home && *home ? home : "/var/lib"} + "/.local/state/sluice";
}

expected<id128> load_producer_id(file_system& files, const std::filesystem::path& folder) {
  constexpr std::size_t max_bytes = 256;
  if (auto made = files.create_folders(folder); !made)
    return fail(std::move(made.error()));
  auto held = lock(files, folder / "producer.lock");
  if (!held)
    return fail(std::move(held.error()));
  auto where = folder / "producer";
  auto text = read_file(files, where, max_bytes);
  if (text)
    return parse(where, *text);
  if (text.error().code != errc::not_found)
    return fail(std::move(text.error()));
  auto id = to_id(boost::uuids::random_generator{}());
  if (auto written = replace_file(files, where, to_string(id) + '\n'); !written)
    return fail(std::move(written.error()));
  return id;
}

} // namespace sluice
