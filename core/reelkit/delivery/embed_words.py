"""What the embed page says, in the languages that the controls know too."""

# ruff: noqa: RUF001 - French and Chinese have their own punctuation.

from __future__ import annotations

import msgspec

__all__ = ["LANGUAGES", "Words", "choose_language"]


class Words(msgspec.Struct, frozen=True):
    """The sentences of one language. Categories of a failing player: gone, denied, network, media, unsupported."""

    waiting: str
    failed: str
    gone: str
    denied: str
    network: str
    media: str
    unsupported: str
    retry: str
    script: str


LANGUAGES = {
    "en": Words(
        waiting="This video is being prepared. It will be here in a moment.",
        failed="This video could not be prepared.",
        gone="This video is not available.",
        denied="You may not watch this video here.",
        network="The connection was lost.",
        media="This video cannot be played.",
        unsupported="This browser cannot play this video.",
        retry="Try again",
        script="Playing this video needs JavaScript.",
    ),
    "de": Words(
        waiting="Dieses Video wird vorbereitet. Gleich geht es los.",
        failed="Dieses Video konnte nicht vorbereitet werden.",
        gone="Dieses Video ist nicht verfügbar.",
        denied="Dieses Video darf hier nicht angesehen werden.",
        network="Die Verbindung ist abgebrochen.",
        media="Dieses Video kann nicht abgespielt werden.",
        unsupported="Dieser Browser kann das Video nicht abspielen.",
        retry="Noch einmal versuchen",
        script="Zum Abspielen wird JavaScript benötigt.",
    ),
    "es": Words(
        waiting="Este vídeo se está preparando. Estará listo en un momento.",
        failed="No se pudo preparar este vídeo.",
        gone="Este vídeo no está disponible.",
        denied="No se permite ver este vídeo aquí.",
        network="Se perdió la conexión.",
        media="No se puede reproducir este vídeo.",
        unsupported="Este navegador no puede reproducir el vídeo.",
        retry="Intentar de nuevo",
        script="Para reproducir este vídeo hace falta JavaScript.",
    ),
    "fr": Words(
        waiting="Cette vidéo est en préparation. Encore un instant.",
        failed="Cette vidéo n’a pas pu être préparée.",
        gone="Cette vidéo n’est pas disponible.",
        denied="Cette vidéo ne peut pas être regardée ici.",
        network="La connexion a été perdue.",
        media="Cette vidéo ne peut pas être lue.",
        unsupported="Ce navigateur ne peut pas lire cette vidéo.",
        retry="Réessayer",
        script="La lecture de cette vidéo nécessite JavaScript.",
    ),
    "pt": Words(
        waiting="Este vídeo está a ser preparado. É só um momento.",
        failed="Não foi possível preparar este vídeo.",
        gone="Este vídeo não está disponível.",
        denied="Este vídeo não pode ser visto aqui.",
        network="A ligação foi interrompida.",
        media="Este vídeo não pode ser reproduzido.",
        unsupported="Este navegador não consegue reproduzir o vídeo.",
        retry="Tentar de novo",
        script="A reprodução deste vídeo precisa de JavaScript.",
    ),
    "zh-CN": Words(
        waiting="视频正在准备中，请稍候。",
        failed="无法准备此视频。",
        gone="此视频不可用。",
        denied="此处不允许观看该视频。",
        network="连接已断开。",
        media="无法播放此视频。",
        unsupported="此浏览器无法播放该视频。",
        retry="重试",
        script="播放此视频需要 JavaScript。",
    ),
    "zh-TW": Words(
        waiting="影片正在準備中，請稍候。",
        failed="無法準備此影片。",
        gone="此影片無法使用。",
        denied="此處不允許觀看該影片。",
        network="連線已中斷。",
        media="無法播放此影片。",
        unsupported="此瀏覽器無法播放該影片。",
        retry="重試",
        script="播放此影片需要 JavaScript。",
    ),
}
CHINESE = {"zh-hk": "zh-TW", "zh-mo": "zh-TW", "zh-hant": "zh-TW"}


def choose_language(accepted: str) -> str:
    """Return the tag of LANGUAGES that an `Accept-Language` header likes best; English when it likes none of them."""
    wishes: list[tuple[float, str]] = []
    for part in accepted.split(",")[:20]:
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.partition("=")[2]) if weight else 1.0
        except ValueError:
            continue
        if quality > 0:
            wishes.append((-quality, tag.strip().lower()))
    known = {tag.lower(): tag for tag in LANGUAGES}
    for _, tag in sorted(wishes, key=lambda wish: wish[0]):
        base = tag.partition("-")[0]
        for candidate in (known.get(tag), CHINESE.get("-".join(tag.split("-")[:2])), known.get(base)):
            if candidate is not None:
                return candidate
        if base == "zh":
            return "zh-CN"
    return "en"
