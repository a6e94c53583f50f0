"""Databases as a dozen ORMs make them, each with the application's own SQL."""

from support.orms.application import Application, Statement, Violation
from support.orms.core_data import CORE_DATA
from support.orms.diesel import DIESEL
from support.orms.django import DJANGO
from support.orms.drizzle import DRIZZLE
from support.orms.ef_core import EF_CORE
from support.orms.gorm import GORM
from support.orms.peewee import PEEWEE
from support.orms.prisma import PRISMA
from support.orms.rails import RAILS
from support.orms.room import ROOM
from support.orms.sqlalchemy_orm import SQLALCHEMY
from support.orms.typeorm import TYPEORM

APPLICATIONS = [DJANGO, RAILS, PRISMA, EF_CORE, TYPEORM, DRIZZLE, DIESEL, GORM, ROOM, CORE_DATA, PEEWEE, SQLALCHEMY]

__all__ = ["APPLICATIONS", "Application", "Statement", "Violation"]
