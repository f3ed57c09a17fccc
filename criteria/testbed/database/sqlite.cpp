#include "criteria/testbed/database/sqlite.h"

#include <sqlite3.h>

#include <cmath>
#include <limits>

#include "engine/error.h"

namespace safer {
namespace {

[[noreturn]] void fail(const std::string& file, sqlite3* database, int code) {
  if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
    throw Error("{}: another process is writing it; wait until that has ended", file);
  throw Error("{}: {}", file, database ? sqlite3_errmsg(database) : sqlite3_errstr(code));
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Statement::Statement(sqlite3* database, std::string_view sql, std::string file) : file_(std::move(file)), database_(database) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  statement_.reset(statement);
  check(code);
}

void Statement::check(int code) const {
  if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) fail(file_, database_, code);
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  check(code);
  return code == SQLITE_ROW;
}

void Statement::bind_one(int at, std::int64_t value) { check(sqlite3_bind_int64(statement_.get(), at, value)); }
void Statement::bind_one(int at, double value) { check(sqlite3_bind_double(statement_.get(), at, value)); }
void Statement::bind_one(int at, std::string_view value) {
  check(sqlite3_bind_text(statement_.get(), at, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT));
}
void Statement::bind_one(int at, std::span<const std::byte> value) {
  check(sqlite3_bind_blob64(statement_.get(), at, value.data(), value.size(), SQLITE_TRANSIENT));
}

int Statement::columns() const { return sqlite3_column_count(statement_.get()); }
std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::real(int column) const {
  return type(column) == Type::null ? std::numeric_limits<double>::quiet_NaN() : sqlite3_column_double(statement_.get(), column);
}
std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text ? std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))) : std::string();
}
std::span<const std::byte> Statement::blob(int column) const {
  const void* const bytes = sqlite3_column_blob(statement_.get(), column);
  return {static_cast<const std::byte*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}
Statement::Type Statement::type(int column) const {
  switch (sqlite3_column_type(statement_.get(), column)) {
    case SQLITE_INTEGER: return Type::integer;
    case SQLITE_FLOAT: return Type::real;
    case SQLITE_TEXT: return Type::text;
    case SQLITE_BLOB: return Type::blob;
    default: return Type::null;
  }
}

Database::Database(const std::filesystem::path& path, Access access) : file_(path.string()) {
  if (access != Access::create && !std::filesystem::exists(path)) throw Error("{}: there is no such file", file_);
  sqlite3* database = nullptr;
  const int create = access == Access::create ? SQLITE_OPEN_CREATE : 0;
  const int flags = access == Access::read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | create;
  const int code = sqlite3_open_v2(file_.c_str(), &database, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  database_.reset(database);
  if (code != SQLITE_OK) fail(file_, database, code);
  if (access == Access::read) return;
  // Held from the first transaction on, until the connection is closed or the process ends.
  execute("PRAGMA locking_mode = EXCLUSIVE");
  execute("BEGIN EXCLUSIVE; COMMIT");
}

void Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(file_, database_.get(), code);
}

bool Database::has_table(std::string_view name) {
  return prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").bind(name).step();
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const Error&) {
    // SQLite has rolled back by itself already, as it does after some errors.
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace safer
