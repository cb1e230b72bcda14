/// What each transform costs per byte of text, next to handing the batch on, and to compressing it.

#include <string>

#include <benchmark/benchmark.h>

#include "actors/transform/batch_transform.hpp"
#include "messages/record_codec.hpp"

namespace sluice {

namespace {

constexpr std::size_t batch_bytes = 1024 * 1024;

/// Records of about 200 bytes.
template <class Line>
batch make_lines(Line line) {
  lines_payload lines;
  std::uint32_t x = 1;
  while (lines.text_bytes() < batch_bytes) {
    x = x * 1664525 + 1013904223;
    lines.append(line(x));
  }
  batch made;
  made.header.record_count = count_lines(lines.text());
  made.header.position_end = lines.text_bytes();
  made.payload = share(std::move(lines).finish({}));
  return made;
}

const auto json = make_lines([](std::uint32_t x) {
  return R"({"time":"2026-01-01T00:00:00.)" + std::to_string(100 + x % 900) +
         R"(Z","level":"info","logger":"shop.orders","msg":"request handled","http":{"status":200,"path":"/items/)" +
         std::to_string(x >> 20) + R"("},"ms":)" + std::to_string((x >> 8) & 1023) + R"(,"user":"u)" +
         std::to_string(x >> 8) + "\"}\n";
});

const auto key_value = make_lines([](std::uint32_t x) {
  return "time=2026-01-01T00:00:00." + std::to_string(100 + x % 900) +
         "Z level=info logger=shop.orders msg=\"request handled\" status=200 path=/items/" + std::to_string(x >> 20) +
         " ms=" + std::to_string((x >> 8) & 1023) + " user=u" + std::to_string(x >> 8) +
         " client=192.0.2.1 agent=\"Mozilla/5.0 (X11; Linux x86_64)\"\n";
});

void run(benchmark::State& state, const batch& x, const std::vector<record_transform>& rules) {
  batch_transform transform{rules, std::make_shared<buffer_pool>()};
  for (auto _ : state)
    benchmark::DoNotOptimize(transform.apply(x));
  auto count = static_cast<std::int64_t>(state.iterations());
  state.SetBytesProcessed(count * static_cast<std::int64_t>(x.header.position_end));
  state.SetItemsProcessed(count * x.header.record_count);
}

byte_pattern pattern(const std::string& expression) {
  return make_byte_pattern(expression).value();
}

const parse_json_transform parse_json;
const parse_key_value_transform parse_key_value;
const set_severity_transform set_severity{"level"};
const set_timestamp_transform set_timestamp{"time"};

// No transforms: no transformer, so nothing is done; with labels alone, nothing but a header. The least that any other
// rule costs is reading the records.
BENCHMARK_CAPTURE(run, read_records, key_value, {});
BENCHMARK_CAPTURE(run, sample_all, key_value, {sample_transform{1}});
BENCHMARK_CAPTURE(run, sample_10, key_value, {sample_transform{10}});
BENCHMARK_CAPTURE(run, drop_no_match, key_value, {drop_transform{pattern("level=debug"), ""}});
BENCHMARK_CAPTURE(run, drop_half, key_value, {drop_transform{pattern("ms=\\d*[02468] "), ""}});
BENCHMARK_CAPTURE(run, redact_no_match, key_value, {redact_transform{pattern("\\b\\d{16}\\b"), "****", ""}});
BENCHMARK_CAPTURE(run, redact_each, key_value, {redact_transform{pattern("client=\\S+"), "client=****", ""}});
BENCHMARK_CAPTURE(run, parse_key_value, key_value, {parse_key_value});
BENCHMARK_CAPTURE(run, parse_json, json, {parse_json});
BENCHMARK_CAPTURE(run, json_severity_and_time, json, {parse_json, set_severity, set_timestamp});

} // namespace

} // namespace sluice
