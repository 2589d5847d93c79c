"""Opens a report in a real, headless Chromium: its console must stay empty; pictures to look at.

    pip install PyQt6-WebEngine         # Chromium 130 or later, without a display
    python -m tests.report.browser report.html pictures/

Not collected by pytest: what the page looks like is for eyes.
"""

import os
import sys
from pathlib import Path

# Width in pixels, and whether the visitor prefers dark colors.
VIEWS = {"desktop": (1280, False), "dark": (1280, True), "phone": (390, False)}


def main(page: Path, pictures: Path) -> int:
    """Takes a picture of the page at every width and returns the number of console messages."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("QTWEBENGINE_DISABLE_SANDBOX", "1")
    from PyQt6.QtCore import QEventLoop, QSize, QTimer, QUrl
    from PyQt6.QtWebEngineCore import QWebEnginePage, QWebEngineSettings
    from PyQt6.QtWebEngineWidgets import QWebEngineView
    from PyQt6.QtWidgets import QApplication

    application = QApplication(sys.argv)
    messages: list[str] = []

    class Page(QWebEnginePage):
        def javaScriptConsoleMessage(self, level, text, line, source):
            messages.append(f"{text} ({source}:{line})")

    def wait(milliseconds: int) -> None:
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    pictures.mkdir(parents=True, exist_ok=True)
    for name, (width, dark) in VIEWS.items():
        view = QWebEngineView()
        view.setPage(Page(view))
        attribute = QWebEngineSettings.WebAttribute.ForceDarkMode
        view.settings().setAttribute(attribute, False)
        if dark:
            application.styleHints().setColorScheme(_dark())
        view.resize(QSize(width, 900))
        view.show()
        done = QEventLoop()
        view.loadFinished.connect(lambda _, loop=done: loop.quit())
        view.load(QUrl.fromLocalFile(str(page.resolve())))
        done.exec()
        wait(500)
        height = min(int(view.page().contentsSize().height()) + 1, 16000)
        view.resize(QSize(width, height))
        wait(1000)
        view.grab().save(str(pictures / f"{name}.png"))
        view.close()
    for message in messages:
        print(message)
    return len(messages)


def _dark():
    from PyQt6.QtCore import Qt

    return Qt.ColorScheme.Dark


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])) > 0)
