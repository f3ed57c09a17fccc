#include "criteria/testbed/database/schema.h"

#include <bit>
#include <vector>

#include "engine/error.h"

namespace safer {
namespace {

struct Definition {
  const char *name, *sql, *order;  // order: the columns that say in which order the rows are read
};

constexpr Definition tables[] = {
    {"setting", "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID", "name"},
    {"network",
     "CREATE TABLE network(id INTEGER PRIMARY KEY, family TEXT NOT NULL, number INTEGER NOT NULL, model TEXT NOT NULL,"
     " data_seed INTEGER NOT NULL, accuracy REAL NOT NULL, used INTEGER NOT NULL, UNIQUE(family, number))",
     "id"},
    {"tensor",
     "CREATE TABLE tensor(network INTEGER NOT NULL REFERENCES network, position INTEGER NOT NULL, name TEXT NOT NULL,"
     " shape TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(network, position))",
     "network, position"},
    {"layer",
     "CREATE TABLE layer(network INTEGER NOT NULL REFERENCES network, position INTEGER NOT NULL, name TEXT NOT NULL,"
     " block TEXT NOT NULL, weights INTEGER NOT NULL, PRIMARY KEY(network, position)) WITHOUT ROWID",
     "network, position"},
    {"measurement",
     "CREATE TABLE measurement(id INTEGER PRIMARY KEY, network INTEGER NOT NULL REFERENCES network, noise TEXT NOT NULL,"
     " place TEXT NOT NULL, repetition INTEGER NOT NULL, looks INTEGER NOT NULL, UNIQUE(network, noise, place, repetition))",
     "id"},
    {"damage",
     "CREATE TABLE damage(measurement INTEGER NOT NULL REFERENCES measurement, layer INTEGER NOT NULL, draws INTEGER NOT NULL,"
     " logits REAL, logits_error REAL, probabilities REAL, probabilities_error REAL, accuracy REAL, accuracy_error REAL,"
     " PRIMARY KEY(measurement, layer)) WITHOUT ROWID",
     "measurement, layer"},
    {"level_damage",
     "CREATE TABLE level_damage(measurement INTEGER NOT NULL REFERENCES measurement, layer INTEGER NOT NULL, level REAL NOT NULL,"
     " logits REAL, logits_error REAL, probabilities REAL, probabilities_error REAL, accuracy REAL, accuracy_error REAL,"
     " PRIMARY KEY(measurement, layer, level)) WITHOUT ROWID",
     "measurement, layer, level"},
    {"settled",
     "CREATE TABLE settled(measurement INTEGER NOT NULL REFERENCES measurement, damage TEXT NOT NULL, above INTEGER NOT NULL,"
     " below INTEGER NOT NULL, PRIMARY KEY(measurement, damage, above, below)) WITHOUT ROWID",
     "measurement, damage, above, below"},
    {"ranker",
     "CREATE TABLE ranker(id INTEGER PRIMARY KEY, preset TEXT NOT NULL, criterion TEXT NOT NULL, reduction TEXT NOT NULL,"
     " noise TEXT NOT NULL, place TEXT NOT NULL, UNIQUE(preset, criterion, reduction, noise, place))",
     "id"},
    {"score",
     "CREATE TABLE score(network INTEGER NOT NULL REFERENCES network, ranker INTEGER NOT NULL REFERENCES ranker,"
     " layer INTEGER NOT NULL, value REAL, PRIMARY KEY(network, ranker, layer)) WITHOUT ROWID",
     "network, ranker, layer"},
};

class Fnv {
 public:
  void add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < bytes; ++i) value_ = (value_ ^ at[i]) * 0x100000001B3;
  }
  void add(std::uint64_t number) { add(&number, sizeof number); }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xCBF29CE484222325;
};

void add_column(Fnv& fnv, const Statement& row, int column) {
  using enum Statement::Type;
  const Statement::Type type = row.type(column);
  fnv.add(static_cast<std::uint64_t>(type));
  if (type == integer) fnv.add(static_cast<std::uint64_t>(row.integer(column)));
  if (type == real) fnv.add(std::bit_cast<std::uint64_t>(row.real(column)));
  if (type == text || type == blob) {
    const auto bytes = row.blob(column);
    fnv.add(bytes.size());
    fnv.add(bytes.data(), bytes.size());
  }
}

std::string value_of(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? "the default" : found->second;
}

/// Where a setting comes from that no option of the command gives.
std::string origin(const std::string& setting, const std::string& value) {
  if (setting == "kernels") return fmt::format(" (the environment variable SAFER_ISA={} chooses it)", value);
  return setting == "format" ? " (another version of safer made it)" : "";
}

}  // namespace

void create_tables(Database& database) {
  if (database.has_table("setting")) return;
  if (database.prepare("SELECT 1 FROM sqlite_master").bind().step())
    throw Error("{}: this is another program's database; give a file of its own", database.file());
  Transaction transaction(database);
  for (const Definition& table : tables) database.execute(table.sql);
  transaction.commit();
}

void require_tables(Database& database) {
  for (const Definition& table : tables)
    if (!database.has_table(table.name))
      throw Error("{}: no table '{}', so this is no testbed; 'safer testbed build' makes one", database.file(), table.name);
}

Settings read_settings(Database& database) {
  Settings settings;
  Statement rows = database.prepare("SELECT name, value FROM setting");
  for (rows.bind(); rows.step();) settings[rows.text(0)] = rows.text(1);
  return settings;
}

void agree_on_settings(Database& database, const Settings& settings) {
  const Settings there = read_settings(database);
  if (there.empty()) {
    Transaction transaction(database);
    Statement insert = database.prepare("INSERT INTO setting VALUES(?, ?)");
    for (const auto& [name, value] : settings) insert.run(name, value);
    transaction.commit();
    return;
  }
  Settings all = there;
  all.insert(settings.begin(), settings.end());
  std::string differences;
  for (const auto& entry : all) {
    const std::string found = value_of(there, entry.first), wanted = value_of(settings, entry.first);
    if (found != wanted)
      differences += fmt::format("{}{} is {}, not {}{}", differences.empty() ? "" : "; ", entry.first, found, wanted,
                                 origin(entry.first, found));
  }
  if (!differences.empty())
    throw Error("{}: made with other settings: {}. Give these, or another file", database.file(), differences);
}

std::uint64_t digest(Database& database) {
  Fnv fnv;
  for (const Definition& table : tables) {
    fnv.add(table.name, std::string_view(table.name).size());
    Statement rows = database.prepare(fmt::format("SELECT * FROM {} ORDER BY {}", table.name, table.order));
    for (rows.bind(); rows.step();)
      for (int column = 0; column < rows.columns(); ++column) add_column(fnv, rows, column);
  }
  return fnv.value();
}

}  // namespace safer
