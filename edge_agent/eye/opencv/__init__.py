"""The one door to OpenCV: nothing outside this folder imports cv2.

`sources.py` pictures come in from files, cameras and the network; `foreground.py` whatever is not background;
`sight.py` whether a picture still shows the scene; `slit.py` a gate's line over time; `pictures.py` what they share.
"""

import os

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong is said by Lost, once, in our words
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
