"""Pictures of every screen, small and large, in every theme: what a person sees stays as it was.

Each app is started once for a size; its themes are changed while it runs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pictures import Picture, lean, told_apart
from scenes import SCENES, Scene
from settled import settle, still
from stages import Stage, alike_everywhere
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from llprobe.tui.app import LlprobeApp

SIZES = {"small": (80, 24), "large": (140, 40)}

Differs = Callable[[str, str], str]
"""Takes a theme and the picture in it; says what has changed, nothing where nothing has."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, two_runs: Path) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"), two_runs)


@pytest.fixture(autouse=True)
def alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alike_everywhere(tmp_path, monkeypatch)


@pytest.fixture
def differs(snapshot: SnapshotAssertion, tmp_path: Path) -> Differs:
    kept = snapshot.use_extension(Picture)

    def compare(theme: str, picture: str) -> str:
        if kept(name=theme) == picture:
            return ""
        now = tmp_path / f"{theme}.svg"
        now.write_text(picture, encoding="utf-8")
        before = kept.executions[kept.num_executions - 1].recalled_data
        return told_apart(theme, None if before is None else str(before), picture, str(now))

    return compare


async def taken(pilot: Pilot[Any], theme: str) -> str:
    """Take a picture in a theme."""
    pilot.app.theme = theme
    still(pilot.app)
    await settle(pilot)
    return lean(pilot.app.export_screenshot(title="llprobe", simplify=True))


@pytest.mark.asyncio
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
async def test_picture(
    scene: Scene, size: str, stage: Stage, tmp_path: Path, differs: Differs
) -> None:
    with stage.set(scene.database, tmp_path) as database:
        pictures = {}
        for themes in [[theme] for theme in scene.themes] if scene.afresh else [scene.themes]:
            app = LlprobeApp(database, theme=themes[0])
            async with app.run_test(size=SIZES[size]) as pilot:
                await scene.show(pilot)
                pictures |= {theme: await taken(pilot, theme) for theme in themes}
    changes = [differs(theme, picture) for theme, picture in pictures.items()]
    assert not any(changes), "\n".join(filter(None, changes))
