"""``payflow`` with the bug that the environment names; without a name it is sound."""

from cli.main import app
from tests.planted.planting import plant_what_is_asked_for

if __name__ == "__main__":
    plant_what_is_asked_for()
    app()
