"""x"""

from farhand.worker.app import App

app = App()
