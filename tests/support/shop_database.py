"""A shop's database as many tutorials have it: PascalCase names with spaces, composite keys, circles, pictures, search.

All data are made up by counting.
"""

from support.orms.application import Application, refused, same

SCHEMA = """
CREATE TABLE Category (CategoryId INTEGER PRIMARY KEY, CategoryName NVARCHAR(15) NOT NULL, Picture IMAGE);
CREATE TABLE Employee (
    EmployeeId INTEGER PRIMARY KEY AUTOINCREMENT, LastName NVARCHAR(20) NOT NULL, BirthDate DATE,
    HireDate DATETIME, ReportsTo INTEGER, DepartmentId INTEGER,
    FOREIGN KEY (ReportsTo) REFERENCES Employee (EmployeeId),
    FOREIGN KEY (DepartmentId) REFERENCES Department (DepartmentId) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE Department (
    DepartmentId INTEGER PRIMARY KEY, Name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    ManagerId INTEGER REFERENCES Employee (EmployeeId) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE Customer (CustomerId CHAR(5) PRIMARY KEY NOT NULL, CompanyName NVARCHAR(40) NOT NULL, Country TEXT);
CREATE TABLE Product (
    ProductId INTEGER PRIMARY KEY, ProductName NVARCHAR(40) NOT NULL, CategoryId INTEGER REFERENCES Category,
    UnitPrice DECIMAL(10,2) NOT NULL DEFAULT 0 CHECK (UnitPrice >= 0), Discontinued BIT NOT NULL DEFAULT 0
);
CREATE TABLE "Order" (
    OrderId INTEGER PRIMARY KEY, CustomerId CHAR(5) REFERENCES Customer, EmployeeId INT REFERENCES Employee,
    OrderDate TEXT, Freight MONEY DEFAULT 0, "Ship Name" NVARCHAR(40)
);
CREATE TABLE "Order Details" (
    OrderId INTEGER NOT NULL, ProductId INTEGER NOT NULL, UnitPrice DECIMAL(10,2) NOT NULL,
    Quantity SMALLINT NOT NULL DEFAULT 1 CHECK (Quantity > 0), Discount REAL NOT NULL DEFAULT 0,
    LineTotal REAL GENERATED ALWAYS AS (Quantity * 1.5) STORED,
    PRIMARY KEY (OrderId, ProductId),
    FOREIGN KEY (OrderId) REFERENCES "Order" (OrderId) ON DELETE CASCADE,
    FOREIGN KEY (ProductId) REFERENCES Product (ProductId)
) WITHOUT ROWID;
CREATE TABLE Shipment (
    OrderId INTEGER, ProductId INTEGER, Parcel INTEGER, Weight NUMERIC,
    PRIMARY KEY (OrderId, ProductId, Parcel),
    FOREIGN KEY (OrderId, ProductId) REFERENCES "Order Details" ON UPDATE CASCADE ON DELETE RESTRICT
);
CREATE INDEX "Ship Names" ON "Order" ("Ship Name");
CREATE UNIQUE INDEX ActiveNames ON Product (ProductName) WHERE Discontinued = 0;
CREATE VIEW "Products Above" AS SELECT ProductName, UnitPrice FROM Product WHERE UnitPrice > 20;
CREATE VIEW Sales AS SELECT OrderId, count(*) AS Lines FROM "Order Details" GROUP BY OrderId;
"""
AFTER = """
CREATE TRIGGER NoDelete BEFORE DELETE ON Category BEGIN SELECT RAISE(ABORT, 'kept'); END;
CREATE VIRTUAL TABLE ProductSearch USING fts5(ProductName, content='Product', content_rowid='ProductId');
"""
SHOP = Application(
    "shop",
    SCHEMA,
    {
        "Department": [(n, name, None) for n, name in enumerate(("Sales", "Support", "Lager"), start=1)],
        "Employee": [
            (n, f"Person {n}", f"19{60 + n}-02-1{n}", f"20{10 + n}-05-01 08:00:00", None if n == 1 else 1, n % 3 + 1)
            for n in range(1, 8)
        ],
        "Category": [(n, f"Category {n}", bytes([255, 216, n, 0])) for n in range(1, 5)],
        "Customer": [(f"CUS{n:02}", f"Company Ü{n}", "DE" if n % 2 else None) for n in range(1, 11)],
        "Product": [(n, f"Product {n}", n % 4 + 1, n * 3.25, n % 2) for n in range(1, 21)],
        "Order": [
            (n, f"CUS{n % 10 + 1:02}", n % 7 + 1, f"2024-0{n % 9 + 1}-1{n % 9}", n * 1.1, f"Ship {n}")
            for n in range(1, 31)
        ],
        "Order Details": [(n, n % 20 + 1, 9.75, n, 0.05) for n in range(1, 31)],
        "Shipment": [(n, n % 20 + 1, 1, n / 4) for n in range(1, 31)],
    },
    selects=same(
        'SELECT c.companyname, count(*) AS orders FROM customer c JOIN "order" o ON o.customerid = c.customerid '
        "GROUP BY c.companyname ORDER BY c.companyname",
        'SELECT productname, unitprice FROM "products above" ORDER BY productname',
        "SELECT orderid, lines FROM sales ORDER BY orderid",
        'SELECT orderid, linetotal FROM "order details" ORDER BY orderid',
        "SELECT e.lastname, m.lastname FROM employee e JOIN employee m ON m.employeeid = e.reportsto "
        "ORDER BY e.employeeid",
    ),
    inserts=same(
        "INSERT INTO category (categoryname) VALUES ('New')",
        "INSERT INTO employee (lastname) VALUES ('New')",
        'INSERT INTO "order details" (orderid, productid, unitprice) VALUES (1, 1, 1.5)',
        "INSERT INTO department (name, managerid) VALUES ('New', 1)",
    ),
    violations=[
        refused("primary key", 'INSERT INTO "order details" (orderid, productid, unitprice) VALUES (1, 2, 1)'),
        refused("unique", "INSERT INTO department (name) VALUES ('SALES')"),
        refused("unique", "INSERT INTO product (productname) VALUES ('Product 2')"),
        refused("not null", "INSERT INTO category (categoryid) VALUES (99)"),
        refused("check", "INSERT INTO product (productname, unitprice) VALUES ('x', -1)"),
        refused("foreign key", "INSERT INTO shipment (orderid, productid, parcel) VALUES (1, 99, 1)"),
        refused("foreign key", "INSERT INTO employee (lastname, reportsto) VALUES ('x', 99)"),
    ],
    after=AFTER,
    virtual=frozenset({"ProductSearch"}),
)
