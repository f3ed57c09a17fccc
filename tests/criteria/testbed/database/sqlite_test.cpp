#include "criteria/testbed/database/sqlite.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <limits>

#include "engine/error.h"
#include "tests/temporary_folder.h"

using namespace safer;

TEST_CASE("sqlite: values come back as they went in, and NaN as NULL") {
  const TemporaryFolder folder;
  Database database(folder / "a.sqlite", Database::Access::create);
  database.execute("CREATE TABLE t(a, b, c, d, e)");
  const std::array<std::byte, 3> bytes = {std::byte{1}, std::byte{0}, std::byte{255}};
  const double largest = std::numeric_limits<double>::max();
  database.prepare("INSERT INTO t VALUES(?, ?, ?, ?, ?)")
      .run(std::int64_t{-5}, 0.1, "text", std::span<const std::byte>(bytes), std::nan(""));
  database.prepare("INSERT INTO t VALUES(?, ?, ?, ?, ?)")
      .run(7, largest, std::string("x"), std::span<const std::byte>(), -INFINITY);
  Statement rows = database.prepare("SELECT * FROM t");
  REQUIRE(rows.bind().step());
  CHECK(rows.columns() == 5);
  CHECK(rows.integer(0) == -5);
  CHECK(rows.real(1) == 0.1);
  CHECK(rows.text(2) == "text");
  CHECK(std::ranges::equal(rows.blob(3), bytes));
  CHECK(rows.type(4) == Statement::Type::null);
  CHECK(std::isnan(rows.real(4)));
  REQUIRE(rows.step());
  CHECK(rows.real(1) == largest);
  CHECK(rows.blob(3).empty());
  CHECK(rows.real(4) == -INFINITY);
  CHECK_FALSE(rows.step());
}

TEST_CASE("sqlite: what is not committed never was") {
  const TemporaryFolder folder;
  Database database(folder / "a.sqlite", Database::Access::create);
  database.execute("CREATE TABLE t(a)");
  {
    const Transaction transaction(database);
    database.execute("INSERT INTO t VALUES(1)");
  }
  CHECK_FALSE(database.prepare("SELECT * FROM t").bind().step());
  {
    Transaction transaction(database);
    database.execute("INSERT INTO t VALUES(2)");
    transaction.commit();
  }
  CHECK(database.prepare("SELECT * FROM t").bind().step());
  CHECK(database.has_table("t"));
  CHECK_FALSE(database.has_table("u"));
}

TEST_CASE("sqlite: a file has one writer, and a second one hears of it") {
  const TemporaryFolder folder;
  const auto path = folder / "a.sqlite";
  {
    Database first(path, Database::Access::create);
    first.execute("CREATE TABLE t(a)");
    CHECK_THROWS_WITH_AS(Database(path, Database::Access::write),
                         (path.string() + ": another process is writing it; wait until that has ended").c_str(), Error);
    Database reader(path, Database::Access::read);
    CHECK_THROWS_AS(reader.has_table("t"), Error);
  }
  CHECK(Database(path, Database::Access::write).has_table("t"));
}

TEST_CASE("sqlite: errors name the file") {
  const TemporaryFolder folder;
  const std::string missing = (folder / "none.sqlite").string(), text = (folder / "text").string();
  for (const auto access : {Database::Access::read, Database::Access::write})
    CHECK_THROWS_WITH_AS(Database(missing, access), (missing + ": there is no such file").c_str(), Error);
  std::ofstream(text) << std::string(5000, 'x');
  CHECK_THROWS_WITH_AS(Database(text, Database::Access::write), (text + ": file is not a database").c_str(), Error);
  Database database(folder / "a.sqlite", Database::Access::create);
  CHECK_THROWS_AS(database.execute("SELECT * FROM nothing"), Error);
  CHECK_THROWS_AS(database.prepare("SELEC"), Error);
}
