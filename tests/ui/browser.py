"""The Temporal UI (2.5x, of the dev server and of `temporalio/ui`), driven through Chromium."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote, unquote

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

T = TypeVar("T")

WAIT_S = 60  # a page takes one or two seconds; on a machine that is busy, many
WINDOW = (1280, 960)
_LINKS = 'tbody a[href*="/workflows/"]'


class TemporalUi:
    """One browser window on one namespace."""

    def __init__(self, driver: Chrome, ui_url: str, namespace: str = "default") -> None:
        self._driver = driver
        self._home = f"{ui_url}/namespaces/{namespace}/workflows"

    def listed(self, query: str, count: int) -> set[str]:
        """The ids of the workflows a query lists, once the page says that they are ``count``."""
        self._driver.get(f"{self._home}?query={quote(query)}")
        self._until(lambda: len(self._ids()) == count)
        self._until(lambda: self._visible(f"//*[normalize-space()='1–{count} of {count}']"))
        return self._ids()

    def open(self, workflow_id: str) -> None:
        """The page of one workflow, when its actions and its steps are there."""
        self._driver.get(f"{self._home}/{quote(workflow_id, safe='')}")
        self._until(lambda: self._visible("//button[contains(., 'More Actions')]"))
        self._until(lambda: self._visible("//button[@data-testid='pause']"))
        self._until(lambda: self._visible("//button[contains(., 'credit')]"))

    def fill_in_update(self, name: str, data: Mapping[str, object]) -> None:
        """Open the dialog *Send an Update*, choose one and fill in its data."""
        self._click("//button[contains(., 'More Actions')]")
        self._click("//*[@data-testid='update-button']")
        self._click("//*[@data-testid='update-select-button']")
        self._click(f"//*[@id='update-select-select']//span[normalize-space()='{name}']")
        field = self._until(lambda: self._visible(f"{_DIALOG}//*[@contenteditable='true']"))
        field.click()
        field.send_keys(json.dumps(data))
        # the field lays its text out when it is left, and moves what is below it
        self._click(f"{_DIALOG}//input[@id='update-id']")
        self._until(lambda: field.text.count("\n") > len(data) or None)
        self._until(lambda: self._visible(f"{_DIALOG}//button[@type='submit' and not(@disabled)]"))

    def submit_update(self) -> None:
        """Send it; return when the dialog has closed."""
        self._click(f"{_DIALOG}//button[@type='submit']")
        self._until(lambda: self._visible(_DIALOG) is None)

    def picture(self, path: Path) -> None:
        """The window as it is."""
        self._driver.save_screenshot(str(path))

    def picture_of_dialog(self, path: Path) -> None:
        """The open dialog alone."""
        self._until(lambda: self._visible(_DIALOG)).screenshot(str(path))

    def _ids(self) -> set[str]:
        links = [link.get_attribute("href") or "" for link in self._all(_LINKS)]
        return {unquote(link.split("/workflows/")[1].split("/")[0]) for link in links}

    def _all(self, selector: str) -> list[WebElement]:
        found: list[WebElement] = self._driver.find_elements(By.CSS_SELECTOR, selector)
        return found

    def _visible(self, path: str) -> WebElement | None:
        found = self._driver.find_elements(By.XPATH, path)
        return next((one for one in found if one.is_displayed()), None)

    def _click(self, path: str) -> None:
        self._until(lambda: self._visible(path)).click()

    def _until(self, look: Callable[[], T | None]) -> T:
        found: T | Literal[False] = WebDriverWait(
            self._driver, WAIT_S, ignored_exceptions=[Exception]
        ).until(lambda _: look() or False)
        assert found is not False
        return found


_DIALOG = "//*[@data-testid='update-confirmation-modal' and @open]"


@contextmanager
def browser(ui_url: str) -> Iterator[TemporalUi]:
    """A browser of its own, without a window on the screen."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    assert not missing, f"not on PATH: {missing}; on Debian, install chromium and chromium-driver"
    options = ChromeOptions()
    options.binary_location = str(programs["chromium"])
    width, height = WINDOW
    for flag in ("--headless=new", "--no-sandbox", f"--window-size={width},{height}"):
        options.add_argument(flag)
    driver = Chrome(options=options, service=Service(str(programs["chromedriver"])))
    try:
        yield TemporalUi(driver, ui_url)
    finally:
        driver.quit()
