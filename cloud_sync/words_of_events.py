"""The page's words for events, alarms and what sensors measure, in two languages: the glossary's."""

from typing import Final

EVENT_WORDS: Final[dict[str, tuple[str, str]]] = {
    # what an event is about: evidence.bodies.EventKind
    "event1": ("设备身份不符", "another device answers"),
    "event2": ("用电特征改变", "power signature changed"),
    "event3": ("超限", "limit passed"),
    "event4": ("信号不一致", "signals disagree"),
    "event5": ("电表自记事件", "meter's own record"),
    "event6": ("消防部件", "fire component"),
    "event7": ("消防操作", "fire system operated"),
    "event8": ("消防测试", "fire system tested"),
    "event9": ("时钟偏差", "clock off"),
    "event10": ("计数异常", "counter"),
    "event11": ("记录丢失", "records lost"),
    "event12": ("短暂状态", "brief state"),
    "phase0": ("记录", "noted"),
    "phase1": ("报警", "raised"),
    "phase2": ("解除", "cleared"),
    # alarms
    "alarms": ("{n} 项报警未解除", "{n} alarms not cleared"),
    "alarm": ("{n} 项报警未解除", "{n} alarm not cleared"),
    "alarms_more": ("另有 {n} 项", "and {n} more"),
    "value_and_limit": ("{subject} {value}，限值 {reference}", "{subject} {value}, limit {reference}"),
    "value_and_before": ("{subject} {value}，原为 {reference}", "{subject} {value}, before {reference}"),
    "alarm_since": ("{at} 起", "since {at}"),
    "events": ("事件", "Events"),
    "no_events": ("没有事件", "no events"),
    "event": ("事件", "Event"),
    "value": ("数值", "Value"),
    "limit_is": ("限值 {reference}", "limit {reference}"),
    "before_was": ("原为 {reference}", "before {reference}"),
    # sensors
    "fire": ("消防", "Fire safety"),
    "meters": ("见证电表", "Witness meters"),
    "limit_below": ("下限 {limit}", "at least {limit}"),
    "limit_above": ("上限 {limit}", "below {limit}"),
    "limits": ("限值", "Limit"),
    "last_value": ("最新", "Last"),
    "least": ("最低", "Least"),
    "most": ("最高", "Most"),
    "used": ("增加", "Rise"),
    "range": ("{least}–{most}", "{least} to {most}"),
    "risen": ("增加 {rise}", "up by {rise}"),
    "not_measured": ("此段无数据", "no data in this time"),
    "heard_says": ("{title}：{what}", "{title}: {what}"),
    "curve_day_say": (
        "粗带为每刻钟的最低至最高，虚线为限值；斜线为无数据。",
        "The band is the least to the most of each quarter of an hour, dashed is the limit; hatched: no data.",
    ),
    "curve_week_say": (
        "粗带为每小时的最低至最高，虚线为限值；斜线为无数据。",
        "The band is the least to the most of each hour, dashed is the limit; hatched: no data.",
    ),
    "curve_month_say": (
        "粗带为每日的最低至最高，虚线为限值；斜线为无数据。",
        "The band is the least to the most of each day, dashed is the limit; hatched: no data.",
    ),
}

POINTS: Final[dict[str, tuple[str, str]]] = {
    "pressure": ("压力", "pressure"),
    "residual_current": ("剩余电流", "residual current"),
    "leakage_current": ("剩余电流", "residual current"),
    "temperature": ("温度", "temperature"),
    "energy_import": ("用电量", "energy"),
    "energy_total": ("总电量", "energy"),
    "energy_export": ("反向电量", "energy returned"),
    "active_power": ("功率", "power"),
    "voltage": ("电压", "voltage"),
    "current": ("电流", "current"),
    "frequency": ("频率", "frequency"),
    "power_factor": ("功率因数", "power factor"),
    "run_state": ("运行状态", "run state"),
    "clock": ("时钟", "clock"),
    "identity": ("表号", "meter number"),
    "power_off_count": ("停电次数", "power cuts"),
    "cover_open_count": ("开表盖次数", "cover openings"),
    "terminal_cover_open_count": ("开端钮盖次数", "terminal cover openings"),
    "magnetic_interference_count": ("恒定磁场干扰次数", "magnetic interferences"),
    "programming_count": ("编程次数", "programmings"),
    "meter_clear_count": ("电表清零次数", "meter clearings"),
    "demand_clear_count": ("需量清零次数", "demand clearings"),
    "event_clear_count": ("事件清零次数", "event clearings"),
    "clock_set_count": ("校时次数", "clock settings"),
    "all_phase_voltage_loss_count": ("全失压次数", "losses of all voltages"),
    "current_loss_count": ("失流次数", "current losses"),
    "power_reversal_count": ("潮流反向次数", "power reversals"),
    "phase_loss_count": ("断相次数", "phase losses"),
    "trip_count": ("拉闸次数", "trips"),
}
"""What the profiles call their points; another name is said as it was signed. A phase or tariff is said behind it."""
WHYS: Final = {
    "static hydrant pressure, class-1 high-rise public, GB 50974": "一类高层公共建筑消火栓静水压力，GB 50974",
    "static hydrant pressure, class-1 public above 100 m, GB 50974": "100 米以上一类公共建筑消火栓静水压力，GB 50974",
    "static hydrant pressure, other public, GB 50974": "其他公共建筑消火栓静水压力，GB 50974",
    "static hydrant pressure, high-rise residential, GB 50974": "高层住宅消火栓静水压力，GB 50974",
    "static hydrant pressure, industrial, GB 50974": "工业建筑消火栓静水压力，GB 50974",
    "static hydrant pressure, industrial below 20,000 m3, GB 50974": "2 万立方米以下工业建筑消火栓静水压力，GB 50974",
    "static sprinkler pressure, GB 50974": "自动喷水灭火系统静水压力，GB 50974",
    "residual current, 300 to 500 mA, GB 50116": "剩余电流，300 至 500 mA，GB 50116",
    "conductor of a PVC-insulated cable, GB/T 12706.1": "聚氯乙烯绝缘电缆导体，GB/T 12706.1",
}
"""Where evidence.limits.USUAL takes a limit from, in Chinese."""
UNITS: Final = {"1": "", "raw": "", "degC": "°C"}
"""Units that are written otherwise than they are signed."""
