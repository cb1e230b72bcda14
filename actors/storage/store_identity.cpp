#include "actors/storage/store_identity.hpp"

#include <fmt/format.h>

#include "messages/uuid.hpp"
#include "transport/file_system.hpp"

namespace sluice {

namespace {

expected<id128> parse(const std::filesystem::path& where, const std::string& text) {
  if (auto id = parse_uuid(text.substr(0, text.find('\n'))))
    return *id;
  return fail(errc::malformed, fmt::format("{}: does not hold a UUID; `sluice store repair {}` gives the store "
                                           "another identity",
                                 where.string(), where.parent_path().string()));
}

} // namespace

expected<id128> load_store_identity(file_system& files, const std::filesystem::path& folder) {
  constexpr std::size_t max_bytes = 256;
  auto where = folder / "id";
  auto text = read_file(files, where, max_bytes);
  if (text)
    return parse(where, *text);
  if (text.error().code != errc::not_found)
    return fail(text.error());
  auto id = make_uuid();
  if (auto written = replace_file(files, where, to_string(id) + '\n'); !written)
    return fail(written.error());
  return id;
}

} // namespace sluice
