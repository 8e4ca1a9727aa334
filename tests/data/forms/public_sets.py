"""The files of public data sets as their makers write them, a few invented rows of each, and what must come out."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

T = 1_700_000_000
"""Seconds of 2023-11-14 22:13:20 UTC."""


@dataclass(frozen=True, kw_only=True)
class PublicSet:
    """A public data set's file.

    Attributes:
        name: of the data set.
        files: name and content; the first is the source.
        flags: that `adrec preprocess FILE` needs to read it.
        users: each user's items in order.
        first_time: of all events, as the manifest says it; None if it has no times.
        said: what the notes or warnings must hold.
    """

    name: str
    files: Mapping[str, str | bytes]
    flags: str = ""
    users: Mapping[str, list[str]]
    first_time: str | None
    said: str = ""


def lines(*rows: str, end: str = "\n") -> str:
    return end.join(rows) + end


def parquet(**columns: list[Any]) -> bytes:
    target = io.BytesIO()
    pl.DataFrame(columns).write_parquet(target)
    return target.getvalue()


START = "2023-11-14T22:13:20Z"
MOVIES = {"1": ["20", "10"], "2": ["10"]}
AMAZON = {"A1B2C3D4E5F6G7": ["B000000001", "B000000002"], "A9B8C7D6E5F4G3": ["B000000001"]}

SETS = [
    PublicSet(
        name="MovieLens 100k",
        files={"u.data": lines(f"1\t10\t3\t{T + 9}", f"1\t20\t5\t{T}", f"2\t10\t1\t{T + 3}")},
        users=MOVIES, first_time=START,
    ),
    PublicSet(
        name="MovieLens 1M",
        files={"ratings.dat": lines(f"1::10::3::{T + 9}", f"1::20::5::{T}", f"2::10::1::{T + 3}")},
        users=MOVIES, first_time=START,
    ),
    PublicSet(
        name="MovieLens 20M",
        files={"ratings.csv": lines(
            "userId,movieId,rating,timestamp", f"1,10,3.5,{T + 9}", f"1,20,5.0,{T}", f"2,10,0.5,{T + 3}")},
        users=MOVIES, first_time=START,
    ),
    PublicSet(
        name="MovieLens 32M, ratings of 4 and more",
        files={"ratings.csv": lines(
            "userId,movieId,rating,timestamp", f"1,10,3.5,{T + 9}", f"1,20,5.0,{T}", f"2,10,4.0,{T + 3}", end="\r\n")},
        flags="--min-rating 4", users={"1": ["20"], "2": ["10"]}, first_time=START,
    ),
    PublicSet(
        name="RecBole .inter",
        files={"ml.inter": lines(
            "user_id:token\titem_id:token\trating:float\ttimestamp:float",
            f"1\t10\t3\t{T + 9}", f"1\t20\t5\t{T}", f"2\t10\t1\t{T + 3}")},
        users=MOVIES, first_time=START,
    ),
    PublicSet(
        name="RecBole .inter of sequences",
        files={"s.inter": lines(
            "session_id:token\titem_id_list:token_seq\titem_id:token", "1\t20 10\t30", "2\t10\t20")},
        flags="--item-column item_id_list:token_seq", users={"1": ["20", "10"], "2": ["10"]}, first_time=None,
        said="holds lists of items separated by ' '",
    ),
    PublicSet(
        name="S3-Rec text",
        files={"Beauty.txt": lines("1 20 10 30", "2 10", "3 30 20")},
        users={"1": ["20", "10", "30"], "2": ["10"], "3": ["30", "20"]}, first_time=None,
    ),
    PublicSet(
        name="Amazon 2014, JSON",
        files={"reviews_5.json.gz": gzip.compress(lines(
            '{"reviewerID": "A1B2C3D4E5F6G7", "asin": "B000000002", "reviewerName": "x", "helpful": [0, 0], '
            f'"reviewText": "a, b", "overall": 5.0, "summary": "s", "unixReviewTime": {T + 9}, '
            '"reviewTime": "11 14, 2023"}',
            '{"reviewerID": "A9B8C7D6E5F4G3", "asin": "B000000001", "helpful": [1, 2], "reviewText": "", '
            f'"overall": 1.0, "summary": "", "unixReviewTime": {T + 3}, "reviewTime": "11 14, 2023"}}',
            '{"reviewerID": "A1B2C3D4E5F6G7", "asin": "B000000001", "helpful": [0, 0], "reviewText": "", '
            f'"overall": 2.0, "summary": "", "unixReviewTime": {T}, "reviewTime": "11 14, 2023"}}').encode())},
        users=AMAZON, first_time=START,
    ),
    PublicSet(
        name="Amazon 2014, ratings",
        files={"ratings.csv": lines(
            f"A1B2C3D4E5F6G7,B000000002,5.0,{T + 9}", f"A9B8C7D6E5F4G3,B000000001,1.0,{T + 3}",
            f"A1B2C3D4E5F6G7,B000000001,2.0,{T}")},
        users=AMAZON, first_time=START,
    ),
    PublicSet(
        name="Amazon 2018, ratings: the item comes first",
        files={"Books.csv": lines(
            f"B000000002,A1B2C3D4E5F6G7,5.0,{T + 9}", f"B000000001,A9B8C7D6E5F4G3,1.0,{T + 3}",
            f"B000000001,A1B2C3D4E5F6G7,2.0,{T}")},
        users=AMAZON, first_time=START, said="because the ids are Amazon's",
    ),
    PublicSet(
        name="Amazon 2018, JSON",
        files={"Books_5.json": lines(
            '{"overall": 5.0, "verified": true, "reviewTime": "11 14, 2023", "reviewerID": "A1B2C3D4E5F6G7", '
            '"asin": "B000000002", "style": {"Format:": " Hardcover"}, "reviewText": "x", "summary": "s", '
            f'"unixReviewTime": {T + 9}}}',
            '{"overall": 1.0, "verified": false, "reviewTime": "11 14, 2023", "reviewerID": "A9B8C7D6E5F4G3", '
            f'"asin": "B000000001", "unixReviewTime": {T + 3}}}',
            '{"overall": 2.0, "verified": false, "reviewTime": "11 14, 2023", "reviewerID": "A1B2C3D4E5F6G7", '
            f'"asin": "B000000001", "unixReviewTime": {T}}}')},
        users=AMAZON, first_time=START,
    ),
    PublicSet(
        name="Amazon 2023, benchmark with history",
        files={"Books.train.csv": lines(
            "user_id,parent_asin,rating,timestamp,history", f"AE1,B2,5.0,{T + 9}000,B1", f"AE2,B1,1.0,{T + 3}000,",
            f"AE1,B1,2.0,{T}000,")},
        users={"AE1": ["B1", "B2"], "AE2": ["B1"]}, first_time=START,
    ),
    PublicSet(
        name="Amazon 2023, reviews",
        files={"Books.jsonl": lines(
            '{"rating": 5.0, "title": "t", "text": "x", "images": [], "asin": "B9", "parent_asin": "B2", '
            f'"user_id": "AE1", "timestamp": {T + 9}123, "helpful_vote": 0, "verified_purchase": true}}',
            '{"rating": 5.0, "title": "t", "text": "x", "images": [{"a": 1}], "asin": "B8", "parent_asin": "B1", '
            f'"user_id": "AE1", "timestamp": {T}000, "helpful_vote": 0, "verified_purchase": true}}')},
        users={"AE1": ["B1", "B2"]}, first_time=START,
    ),
    PublicSet(
        name="Steam reviews",
        files={"steam_reviews.json": lines(
            "{u'username': u'zed', u'hours': 0.1, u'product_id': u'20', u'date': u'2017-12-17', u'text': u'it\\'s'}",
            "{u'username': u'zed', u'hours': 51.1, u'product_id': u'10', u'date': u'2017-12-16', u'text': u\"a\"}")},
        users={"zed": ["10", "20"]}, first_time="2017-12-16T00:00:00Z",
    ),
    PublicSet(
        name="Yelp",
        files={"yelp_academic_dataset_review.json": lines(
            '{"review_id":"r1","user_id":"u_1","business_id":"b-2","stars":3.0,"useful":0,"funny":0,"cool":0,'
            '"text":"x","date":"2018-07-07 22:09:11"}',
            '{"review_id":"r2","user_id":"u_1","business_id":"b-1","stars":5.0,"useful":0,"funny":0,"cool":0,'
            '"text":"x","date":"2012-01-03 15:28:18"}')},
        users={"u_1": ["b-1", "b-2"]}, first_time="2012-01-03T15:28:18Z",
    ),
    PublicSet(
        name="RetailRocket",
        files={"events.csv": lines(
            "timestamp,visitorid,event,itemid,transactionid", f"{T + 9}332,257,view,355,", f"{T}000,257,view,248,",
            f"{T + 20}000,257,transaction,356,4000")},
        users={"257": ["248", "355", "356"]}, first_time=START,
    ),
    PublicSet(
        name="Yoochoose clicks",
        files={"yoochoose-clicks.dat": lines(
            "1,2014-04-07T10:51:09.277Z,214,0", "1,2014-04-07T10:54:09.868Z,215,0",
            "2,2014-04-07T13:56:37.614Z,214,S")},
        flags="--user-column 1 --timestamp-column 2 --item-column 3",
        users={"1": ["214", "215"], "2": ["214"]}, first_time="2014-04-07T10:51:09.277000Z",
    ),
    PublicSet(
        name="Diginetica",
        files={"train-item-views.csv": lines(
            "session_id;user_id;item_id;timeframe;eventdate", "1;NA;9994;526309;2016-05-09",
            "1;NA;93043;1031018;2016-05-09", "1;NA;92118;243569;2016-05-09")},
        flags="--user-column session_id --timestamp-column timeframe --timestamp-unit order",
        users={"1": ["92118", "9994", "93043"]}, first_time=None, said="each session (session_id) is taken as a user",
    ),
    PublicSet(
        name="Gowalla",
        files={"loc-gowalla_totalCheckins.txt.gz": gzip.compress(lines(
            "0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t92847",
            "0\t2010-10-18T22:17:43Z\t30.2691029532\t-97.7493953705\t920315",
            "1\t2010-10-17T23:42:03Z\t30.2557309927\t-97.7633857727\t92847").encode())},
        flags="--user-column 1 --timestamp-column 2 --item-column 5",
        users={"0": ["920315", "92847"], "1": ["92847"]}, first_time="2010-10-17T23:42:03Z",
    ),
    PublicSet(
        name="Foursquare",
        files={"dataset_TSMC2014_NYC.txt": lines(
            "470\t49bb\t4bf5\tArts & Café\t40.71\t-74.00\t-240\tTue Apr 03 18:00:09 +0000 2012",
            "470\t4a43\t4bf5\tBridge\t40.60\t-74.04\t-240\tMon Apr 02 18:00:25 +0000 2012").encode("latin-1")},
        flags="--user-column 1 --item-column 2 --timestamp-column 8",
        users={"470": ["4a43", "49bb"]}, first_time="2012-04-02T18:00:25Z",
    ),
    PublicSet(
        name="LastFM-1K",
        files={"userid-timestamp-artid-artname-traid-traname.tsv": lines(
            "user_000001\t2009-05-04T23:08:57Z\tf1b1\tDeep \"Dish\t\tA \"Song\"",
            "user_000001\t2009-05-04T13:54:10Z\ta7f7\t坂本龍一\t\tComposition 0919")},
        flags="--user-column 1 --timestamp-column 2 --item-column 3",
        users={"user_000001": ["a7f7", "f1b1"]}, first_time="2009-05-04T13:54:10Z",
    ),
    PublicSet(
        name="H&M",
        files={"transactions_train.csv": lines(
            "t_dat,customer_id,article_id,price,sales_channel_id", "2018-09-21,0000a1,0963713001,0.050831,2",
            "2018-09-20,0000a1,0941518023,0.030492,2")},
        users={"0000a1": ["0941518023", "0963713001"]}, first_time="2018-09-20T00:00:00Z",
    ),
    PublicSet(
        name="KuaiRec",
        files={"small_matrix.csv": lines(
            "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio",
            "14,148,4381,6067,2020-07-05 05:27:48.378,20200705.0,1593898068.378,0.72",
            "14,183,11635,6100,2020-07-05 05:28:00.057,20200705.0,1593898080.057,1.9",
            "14,3649,22422,10867,2020-07-05 05:27:09.479,20200705.0,1593898029.479,2.06")},
        users={"14": ["3649", "148", "183"]}, first_time="2020-07-04T21:27:09.479000Z",
    ),
    PublicSet(
        name="MIND",
        files={"behaviors.tsv": lines(
            "1\tU93740\t11/11/2019 9:05:58 AM\tN55189 N42782 N34694\tN55689-1 N35729-0",
            "2\tU99836\t11/12/2019 6:11:30 PM\tN31739 N6072\tN20678-0 N39317-0",
            "3\tU93740\t11/14/2019 7:01:48 AM\tN55189 N42782 N34694\tN50014-0",
            "4\tU73700\t11/14/2019 7:01:48 AM\t\tN50014-0")},
        flags="--user-column 2 --item-column 4 --timestamp-unit order",
        users={"U93740": ["N55189", "N42782", "N34694"], "U99836": ["N31739", "N6072"]}, first_time=None,
    ),
    PublicSet(
        name="OTTO",
        files={"train.jsonl": lines(
            f'{{"session":0,"events":[{{"aid":15,"ts":{T}025,"type":"clicks"}},'
            f'{{"aid":14,"ts":{T + 5}000,"type":"carts"}}]}}',
            f'{{"session":1,"events":[{{"aid":15,"ts":{T + 7}000,"type":"clicks"}}]}}')},
        users={"0": ["15", "14"], "1": ["15"]}, first_time="2023-11-14T22:13:20.025000Z",
    ),
    PublicSet(
        name="Tenrec",
        files={"QB-video.csv": lines(
            "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age",
            "7,30,1,0,0,0,1,2,1,3", "7,10,0,0,0,0,1,0,1,3", "7,20,1,0,0,0,1,1,1,3")},
        flags="--where click=1", users={"7": ["30", "20"]}, first_time=None,
    ),
    PublicSet(
        name="Yambda, flat",
        files={"listens.parquet": parquet(
            uid=[100, 100, 200], timestamp=[39420, 39410, 39430], item_id=[9326270, 9441281, 9326270],
            is_organic=[0, 1, 1], played_ratio_pct=[95, 41, 100], track_length_seconds=[170, 200, 170])},
        flags="--timestamp-unit order", users={"100": ["9441281", "9326270"], "200": ["9326270"]}, first_time=None,
    ),
    PublicSet(
        name="Yambda, sequential",
        files={"listens.parquet": parquet(
            uid=[100, 200], timestamp=[[39420, 39410], [39430]], item_id=[[9326270, 9441281], [9326270]],
            is_organic=[[0, 1], [1]])},
        flags="--timestamp-unit order", users={"100": ["9441281", "9326270"], "200": ["9326270"]}, first_time=None,
    ),
    PublicSet(
        name="BookCrossing",
        files={"BX-Book-Ratings.csv": lines(
            '"User-ID";"ISBN";"Book-Rating"', '"900725";"000000104X";"0"', '"900726";"0000061224";"5"',
            '"900725";"Zürich";"3"', end="\r\n").encode("latin-1")},
        users={"900725": ["000000104X", "Zürich"], "900726": ["0000061224"]}, first_time=None,
    ),
    PublicSet(
        name="Goodreads, reviews",
        files={"goodreads_reviews.json": lines(
            '{"user_id": "8842", "book_id": "24375", "review_id": "5cd4", "rating": 5, "review_text": "x", '
            '"date_added": "Fri Aug 25 13:55:02 -0700 2017", "date_updated": "Mon Oct 09 08:55:59 -0700 2017", '
            '"read_at": "Sat Oct 07 00:00:00 -0700 2017", "started_at": "Sat Aug 26 00:00:00 -0700 2017", "n": 16}',
            '{"user_id": "8842", "book_id": "18245", "review_id": "dfda", "rating": 5, "review_text": "x", '
            '"date_added": "Sun Jul 30 07:44:10 -0700 2017", "date_updated": "Wed Aug 30 00:00:26 -0700 2017", '
            '"read_at": "", "started_at": "", "n_votes": 28}')},
        flags="--timestamp-column date_added",
        users={"8842": ["18245", "24375"]}, first_time="2017-07-30T14:44:10Z",
    ),
    PublicSet(
        name="Goodreads, interactions",
        files={"goodreads_interactions.csv": lines(
            "user_id,book_id,is_read,rating,is_reviewed", "0,948,1,5,0", "0,947,1,5,1", "1,946,0,0,0")},
        users={"0": ["948", "947"], "1": ["946"]}, first_time=None,
    ),
    PublicSet(
        name="Taobao, purchases",
        files={"UserBehavior.csv": lines(
            f"1,9268318,2520377,pv,{T}", f"1,9333346,2520771,buy,{T + 9}", f"1,9576651,149192,buy,{T + 3}")},
        flags="--user-column 1 --item-column 2 --timestamp-column 5 --where '4 = buy'",
        users={"1": ["9576651", "9333346"]}, first_time="2023-11-14T22:13:23Z",
    ),
    PublicSet(
        name="Netflix",
        files={"combined_data_1.txt": lines("1:", "148,3,2005-09-06", "822,5,2005-05-13", "2:", "148,4,2005-05-14")},
        users={"148": ["2", "1"], "822": ["1"]}, first_time="2005-05-13T00:00:00Z",
    ),
    PublicSet(
        name="Instacart",
        files={
            "order_products__prior.csv": lines(
                "order_id,product_id,add_to_cart_order,reordered", "2,93120,1,1", "2,98985,2,1", "3,93754,1,1",
                "9,1,1,0"),
            "orders.csv": lines(
                "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order",
                "2,902279,prior,3,5,09,8.0", "3,902279,prior,1,5,17,"),
        },
        flags="--join orders.csv --on order_id --timestamp-column order_number --timestamp-unit order",
        users={"902279": ["93754", "93120", "98985"]}, first_time=None,
        said="1 of 4 rows of order_products__prior.csv was left out",
    ),
    PublicSet(
        name="Dressipi",
        files={"train_sessions.csv": lines(
            "session_id,item_id,date", "3,9655,2020-12-18 21:25:00.373", "3,9656,2020-12-18 21:19:48.093",
            "13,15654,2020-03-13 19:35:27.136")},
        users={"3": ["9656", "9655"], "13": ["15654"]}, first_time="2020-03-13T19:35:27.136000Z",
    ),
    PublicSet(
        name="Ta Feng",
        files={"ta_feng_all_months_merged.csv": lines(
            "TRANSACTION_DT,CUSTOMER_ID,AGE_GROUP,PIN_CODE,PRODUCT_SUBCLASS,PRODUCT_ID,AMOUNT,ASSET,SALES_PRICE",
            "11/13/2000,00900905,45-49,115,110411,9990199010372,2,24,30",
            "11/1/2000,00900905,45-49,115,110411,9990857472535,1,48,46")},
        flags="--timestamp-column TRANSACTION_DT",
        users={"00900905": ["9990857472535", "9990199010372"]}, first_time="2000-11-01T00:00:00Z",
    ),
    PublicSet(
        name="Criteo attribution",
        files={"criteo_attribution_dataset.tsv": lines(
            "timestamp\tuid\tcampaign\tconversion\tconversion_timestamp\tclick", "5\t90073966\t92589171\t0\t-1\t0",
            "0\t90073966\t984761\t0\t-1\t1")},
        flags="--item-column campaign --timestamp-column timestamp --timestamp-unit order",
        users={"90073966": ["984761", "92589171"]}, first_time=None,
    ),
    PublicSet(
        name="Dunnhumby",
        files={"transaction_data.csv": lines(
            "household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,SALES_VALUE,STORE_ID,RETAIL_DISC,TRANS_TIME,WEEK_NO",
            "9375,96984851472,3,9004906,1,1.39,364,-0.6,1631,1", "9375,96984851472,1,9033142,1,0.82,364,0,1631,1")},
        flags="--timestamp-column DAY --timestamp-unit order",
        users={"9375": ["9033142", "9004906"]}, first_time=None,
    ),
    PublicSet(
        name="Online Retail",
        files={"OnlineRetail.csv": lines(
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
            "536365,90123A,WHITE \xa3 HOLDER,6,12/13/2010 8:26,2.55,97850.0,United Kingdom",
            "536366,91053,WHITE LANTERN,6,12/1/2010 8:28,3.39,97850.0,United Kingdom",
            "536367,92752,SET 7,2,12/1/2010 8:34,7.65,,France", end="\r\n").encode("latin-1")},
        flags="--on-bad-row skip", users={"97850": ["91053", "90123A"]}, first_time="2010-12-01T08:28:00Z",
        said="whole numbers written as 17.0",
    ),
    PublicSet(
        name="Google Local",
        files={"review.json": lines(
            f'{{"user_id": "108", "name": "x", "time": {T + 9}123, "rating": 5, "text": null, "pics": null, '
            '"resp": null, "gmap_id": "0x2"}',
            f'{{"user_id": "108", "name": "x", "time": {T}000, "rating": 5, "text": "x", "pics": [{{"url": ["a"]}}], '
            '"resp": {"time": 1, "text": "thanks"}, "gmap_id": "0x1"}')},
        users={"108": ["0x1", "0x2"]}, first_time=START,
    ),
    PublicSet(
        name="Food.com",
        files={"RAW_interactions.csv": lines(
            "user_id,recipe_id,date,rating,review", '98094,90893,2003-02-17,4,"Great, with\nrice"',
            "98094,94394,2002-02-01,5,")},
        users={"98094": ["94394", "90893"]}, first_time="2002-02-01T00:00:00Z",
    ),
]  # fmt: skip
"""Forms as published; ids and texts are ours."""
