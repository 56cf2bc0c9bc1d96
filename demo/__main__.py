"""`python -m demo`: see story.py."""

from demo.story import main

if __name__ == "__main__":
    main()
