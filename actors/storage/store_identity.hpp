#pragma once

#include <filesystem>

#include "messages/errc.hpp"
#include "messages/stream.hpp"

namespace sluice {

class file_system;

/// The identity of the store in `folder`, which tells shippers whose acknowledgements it can answer for: a UUID in the
/// file `id`, made if it is not there. The caller holds the store's lock. Errors: malformed, those of the file system.
expected<id128> load_store_identity(file_system& files, const std::filesystem::path& folder);

} // namespace sluice
